/** A small network and its training, in plain arrays; what runs in a worker. */

/** The network: 14 × 14 pixels, 32 hidden units, 10 classes. */
const SIDE = 14;
export const INPUTS = SIDE * SIDE;
export const HIDDEN = 32;
export const CLASSES = 10;

/** The optimizers, as Keras defines them, with Keras's default settings. */
export const OPTIMIZERS = ["SGD", "SGD with momentum", "Adam", "AdamW"];
const MOMENTUM = 0.9;
const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-7;
const WEIGHT_DECAY = 0.004;
const CLIP_NORM = 1;

/** Where the weights of each layer lie in one array: W1, b1, W2, b2. */
const B1 = INPUTS * HIDDEN;
const W2 = B1 + HIDDEN;
const B2 = W2 + HIDDEN * CLASSES;
const WEIGHTS = B2 + CLASSES;

/**
 * Random 32-bit integers: Doty-Humphrey's sfc32, which passes PractRand.
 * Three seeds and a counter; the first 12 numbers are thrown away.
 */
export function random(seed, stream) {
	let [a, b, c, counter] = [seed | 0, stream | 0, 0, 1];
	const next = () => {
		const sum = (((a + b) | 0) + counter) | 0;
		counter = (counter + 1) | 0;
		a = b ^ (b >>> 9);
		b = (c + (c << 3)) | 0;
		c = (((c << 21) | (c >>> 11)) + sum) | 0;
		return sum >>> 0;
	};
	for (let i = 0; i < 12; i++) next();
	return next;
}

/** Starting weights: Glorot uniform, and biases of 0. */
export function start(seed) {
	const weights = new Float64Array(WEIGHTS);
	const next = random(seed, 0);
	const fill = (from, to, inputs, outputs) => {
		const limit = Math.sqrt(6 / (inputs + outputs));
		for (let i = from; i < to; i++) weights[i] = ((2 * next()) / 2 ** 32 - 1) * limit;
	};
	fill(0, B1, INPUTS, HIDDEN);
	fill(W2, B2, HIDDEN, CLASSES);
	return weights;
}

/** The order of the examples: each pass shuffled anew, what fills no batch left out. */
export function order(seed, examples, batchSize) {
	const next = random(seed, 1);
	const indices = Uint32Array.from({ length: examples }, (_, i) => i);
	let at = examples;
	return () => {
		if (at + batchSize > examples) {
			for (let i = examples - 1; i > 0; i--) {
				const j = Math.floor((next() / 2 ** 32) * (i + 1));
				[indices[i], indices[j]] = [indices[j], indices[i]];
			}
			at = 0;
		}
		at += batchSize;
		return indices.subarray(at - batchSize, at);
	};
}

/**
 * Digits from text: a pixel of 8 grays and the one below it in a character, and the labels.
 * Only the pixels that are not 0 are kept, since most are.
 */
export function digits(pixels, labels) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const codes = new Map(Array.from(alphabet, (letter, i) => [letter, i]));
	const examples = labels.length;
	if (pixels.length * 2 !== examples * INPUTS) throw new Error("the digits are incomplete");
	const starts = new Uint32Array(examples + 1);
	const places = [];
	const values = [];
	for (let example = 0; example < examples; example++) {
		for (let i = 0; i < INPUTS; i++) {
			const row = Math.floor(i / SIDE);
			const pair = (row >> 1) * SIDE + (i % SIDE);
			const code = codes.get(pixels[(example * INPUTS) / 2 + pair]);
			const gray = row % 2 ? code & 7 : code >> 3;
			if (gray) {
				places.push(i * HIDDEN);
				values.push(gray / 7);
			}
		}
		starts[example + 1] = places.length;
	}
	return {
		examples,
		starts,
		places: Uint32Array.from(places),
		values: Float64Array.from(values),
		labels: Uint8Array.from(labels, Number),
	};
}

/** Hidden activations of one example, into `hidden`: relu(x W1 + b1). */
function activate(weights, data, example, hidden) {
	const { starts, places, values } = data;
	const to = starts[example + 1];
	// Eight sums at a time stay in registers.
	for (let j = 0; j < HIDDEN; j += 8) {
		let s0 = weights[B1 + j];
		let s1 = weights[B1 + j + 1];
		let s2 = weights[B1 + j + 2];
		let s3 = weights[B1 + j + 3];
		let s4 = weights[B1 + j + 4];
		let s5 = weights[B1 + j + 5];
		let s6 = weights[B1 + j + 6];
		let s7 = weights[B1 + j + 7];
		for (let k = starts[example]; k < to; k++) {
			const x = values[k];
			const w = places[k] + j;
			s0 += x * weights[w];
			s1 += x * weights[w + 1];
			s2 += x * weights[w + 2];
			s3 += x * weights[w + 3];
			s4 += x * weights[w + 4];
			s5 += x * weights[w + 5];
			s6 += x * weights[w + 6];
			s7 += x * weights[w + 7];
		}
		// A NaN stays one, so that a run that has blown up shows.
		hidden[j] = s0 < 0 ? 0 : s0;
		hidden[j + 1] = s1 < 0 ? 0 : s1;
		hidden[j + 2] = s2 < 0 ? 0 : s2;
		hidden[j + 3] = s3 < 0 ? 0 : s3;
		hidden[j + 4] = s4 < 0 ? 0 : s4;
		hidden[j + 5] = s5 < 0 ? 0 : s5;
		hidden[j + 6] = s6 < 0 ? 0 : s6;
		hidden[j + 7] = s7 < 0 ? 0 : s7;
	}
}

/** Add the outer product of an example and `slopes` to the gradient of W1. */
function spread(gradient, data, example, slopes) {
	const { starts, places, values } = data;
	const to = starts[example + 1];
	for (let j = 0; j < HIDDEN; j += 8) {
		const s0 = slopes[j];
		const s1 = slopes[j + 1];
		const s2 = slopes[j + 2];
		const s3 = slopes[j + 3];
		const s4 = slopes[j + 4];
		const s5 = slopes[j + 5];
		const s6 = slopes[j + 6];
		const s7 = slopes[j + 7];
		for (let k = starts[example]; k < to; k++) {
			const x = values[k];
			const g = places[k] + j;
			gradient[g] += x * s0;
			gradient[g + 1] += x * s1;
			gradient[g + 2] += x * s2;
			gradient[g + 3] += x * s3;
			gradient[g + 4] += x * s4;
			gradient[g + 5] += x * s5;
			gradient[g + 6] += x * s6;
			gradient[g + 7] += x * s7;
		}
	}
}

/** Softmax of the logits, into `chances`; returns the cross-entropy of the label. */
function classify(weights, hidden, chances, label) {
	let top = -Infinity;
	for (let c = 0; c < CLASSES; c++) chances[c] = weights[B2 + c];
	for (let j = 0; j < HIDDEN; j++) {
		const h = hidden[j];
		// About half of the units are off.
		if (h === 0) continue;
		const unit = W2 + j * CLASSES;
		for (let c = 0; c < CLASSES; c++) chances[c] += h * weights[unit + c];
	}
	for (let c = 0; c < CLASSES; c++) {
		if (chances[c] > top || Number.isNaN(chances[c])) top = chances[c];
	}
	const own = chances[label] - top;
	let sum = 0;
	for (let c = 0; c < CLASSES; c++) sum += chances[c] = Math.exp(chances[c] - top);
	for (let c = 0; c < CLASSES; c++) chances[c] /= sum;
	return Math.log(sum) - own;
}

/** Mean loss and accuracy on a set of digits. */
export function evaluate(weights, data) {
	const hidden = new Float64Array(HIDDEN);
	const chances = new Float64Array(CLASSES);
	let loss = 0;
	let right = 0;
	for (let example = 0; example < data.examples; example++) {
		const label = data.labels[example];
		activate(weights, data, example, hidden);
		loss += classify(weights, hidden, chances, label);
		let best = 0;
		for (let c = 1; c < CLASSES; c++) if (chances[c] > chances[best]) best = c;
		if (best === label && !Number.isNaN(chances[best])) right++;
	}
	return { loss: loss / data.examples, accuracy: right / data.examples };
}

/** The change that an optimizer makes to the weights, as Keras writes it. */
function updater(name) {
	const [first, second] = [new Float64Array(WEIGHTS), new Float64Array(WEIGHTS)];
	let updates = 0;
	if (name === "SGD") {
		return (weights, gradient, rate) => {
			for (let i = 0; i < WEIGHTS; i++) weights[i] -= rate * gradient[i];
		};
	}
	if (name === "SGD with momentum") {
		return (weights, gradient, rate) => {
			for (let i = 0; i < WEIGHTS; i++) {
				first[i] = MOMENTUM * first[i] - rate * gradient[i];
				weights[i] += first[i];
			}
		};
	}
	if (name !== "Adam" && name !== "AdamW") throw new Error(`unknown optimizer ${name}`);
	return (weights, gradient, rate) => {
		updates++;
		const kept = name === "AdamW" ? 1 - WEIGHT_DECAY * rate : 1;
		const size = (rate * Math.sqrt(1 - BETA_2 ** updates)) / (1 - BETA_1 ** updates);
		for (let i = 0; i < WEIGHTS; i++) {
			const g = gradient[i];
			first[i] += (g - first[i]) * (1 - BETA_1);
			second[i] += (g * g - second[i]) * (1 - BETA_2);
			weights[i] = weights[i] * kept - (first[i] * size) / (Math.sqrt(second[i]) + EPSILON);
		}
	};
}

/** One training run: `step(rate)` makes an update and returns its batch's loss. */
export class Run {
	constructor(data, { optimizer, batchSize, seed, clip }) {
		this.data = data;
		this.batchSize = batchSize;
		this.clip = clip;
		this.weights = start(seed);
		this.nextBatch = order(seed, data.examples, batchSize);
		this.update = updater(optimizer);
		this.gradient = new Float64Array(WEIGHTS);
		this.hidden = new Float64Array(HIDDEN);
		this.slopes = new Float64Array(HIDDEN);
		this.chances = new Float64Array(CLASSES);
	}

	step(rate) {
		const { data, weights, gradient, hidden, slopes, chances, batchSize } = this;
		gradient.fill(0);
		let loss = 0;
		for (const example of this.nextBatch()) {
			const label = data.labels[example];
			activate(weights, data, example, hidden);
			loss += classify(weights, hidden, chances, label);
			chances[label] -= 1;
			for (let c = 0; c < CLASSES; c++) {
				chances[c] /= batchSize;
				gradient[B2 + c] += chances[c];
			}
			for (let j = 0; j < HIDDEN; j++) {
				slopes[j] = 0;
				if (hidden[j] === 0) continue;
				const unit = W2 + j * CLASSES;
				let slope = 0;
				for (let c = 0; c < CLASSES; c++) {
					slope += weights[unit + c] * chances[c];
					gradient[unit + c] += hidden[j] * chances[c];
				}
				slopes[j] = slope;
				gradient[B1 + j] += slope;
			}
			spread(gradient, data, example, slopes);
		}
		if (this.clip) {
			let square = 0;
			for (let i = 0; i < WEIGHTS; i++) square += gradient[i] * gradient[i];
			const norm = Math.sqrt(square);
			if (norm > CLIP_NORM || Number.isNaN(norm)) {
				const factor = CLIP_NORM / norm;
				for (let i = 0; i < WEIGHTS; i++) gradient[i] *= factor;
			}
		}
		this.update(weights, gradient, rate);
		return loss / batchSize;
	}
}
