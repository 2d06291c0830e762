// A small network, its digits and its training; what runs in a worker.

import { B1, B2, CLASSES, HIDDEN, INPUTS, Plain, SIDE, W2, WEIGHTS } from "./plain.js";
import { Simd } from "./simd.js";

/** The character that stands for two pixels of 0. */
const FIRST = 35;

/** So many digits go through the network at once; no batch is larger. */
const MOST = 256;

/** The optimizers, as Keras defines them, with Keras's default settings. */
const MOMENTUM = 0.9;
const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-7;
const WEIGHT_DECAY = 0.004;
const CLIP_NORM = 1;

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

/** Starting weights, into an array: Glorot uniform, and biases of 0. */
function start(weights, seed) {
	const next = random(seed, 0);
	const fill = (from, to, inputs, outputs) => {
		const limit = Math.sqrt(6 / (inputs + outputs));
		for (let i = from; i < to; i++) weights[i] = ((2 * next()) / 2 ** 32 - 1) * limit;
	};
	weights.fill(0);
	fill(0, B1, INPUTS, HIDDEN);
	fill(W2, B2, HIDDEN, CLASSES);
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
function digits(pixels, labels, allocate) {
	const examples = labels.length;
	if (pixels.length * 2 !== examples * INPUTS) throw new Error("the digits are incomplete");
	const starts = allocate(Uint32Array, examples + 1);
	const places = [];
	const values = [];
	for (let example = 0; example < examples; example++) {
		for (let i = 0; i < INPUTS; i++) {
			const row = Math.floor(i / SIDE);
			const pair = (row >> 1) * SIDE + (i % SIDE);
			const code = pixels.charCodeAt((example * INPUTS) / 2 + pair) - FIRST;
			const gray = row % 2 ? code & 7 : code >> 3;
			if (gray) {
				places.push(i * HIDDEN);
				values.push(gray / 7);
			}
		}
		starts[example + 1] = places.length;
	}
	const keep = (Type, list) => {
		const array = allocate(Type, list.length);
		array.set(list);
		return array;
	};
	return {
		examples,
		starts,
		places: keep(Uint16Array, places),
		values: keep(Float64Array, values),
		labels: Uint8Array.from(labels, Number),
	};
}

/** Softmax of the logits from `at`, in their place; returns the label's cross-entropy. */
function classify(logits, at, label) {
	const end = at + CLASSES;
	let top = -Infinity;
	for (let c = at; c < end; c++) {
		if (logits[c] > top || Number.isNaN(logits[c])) top = logits[c];
	}
	const own = logits[at + label] - top;
	let sum = 0;
	for (let c = at; c < end; c++) sum += logits[c] = Math.exp(logits[c] - top);
	for (let c = at; c < end; c++) logits[c] /= sum;
	return Math.log(sum) - own;
}

/** The change that an optimizer makes to the weights, as Keras writes it. */
function updater(name, sums, run) {
	let updates = 0;
	if (name === "SGD") return (rate) => sums.sgd(run, rate);
	if (name === "SGD with momentum") return (rate) => sums.momentum(run, rate, MOMENTUM);
	if (name !== "Adam" && name !== "AdamW") throw new Error(`unknown optimizer ${name}`);
	return (rate) => {
		updates++;
		const kept = name === "AdamW" ? 1 - WEIGHT_DECAY * rate : 1;
		const size = (rate * Math.sqrt(1 - BETA_2 ** updates)) / (1 - BETA_1 ** updates);
		sums.adam(run, size, kept, 1 - BETA_1, 1 - BETA_2, EPSILON);
	};
}

/** What computes fastest here. */
export function fastest() {
	try {
		return new Simd();
	} catch {
		return new Plain();
	}
}

/** The network and sets of digits, given as text by their names. One run at a time. */
export class Network {
	constructor(texts, sums = fastest()) {
		this.sums = sums;
		const allocate = sums.allocate.bind(sums);
		this.sets = {};
		for (const [name, [pixels, labels]] of Object.entries(texts)) {
			this.sets[name] = digits(pixels, labels, allocate);
		}
		this.weights = allocate(Float64Array, WEIGHTS);
		this.gradient = allocate(Float64Array, WEIGHTS);
		this.first = allocate(Float64Array, WEIGHTS);
		this.second = allocate(Float64Array, WEIGHTS);
		this.slopes = allocate(Float64Array, HIDDEN);
		this.batch = allocate(Uint32Array, MOST);
		this.hidden = allocate(Float64Array, MOST * HIDDEN);
		this.logits = allocate(Float64Array, MOST * CLASSES);
	}

	/** Begin a run; the one before is over. */
	begin({ optimizer, batchSize, seed, clip }) {
		start(this.weights, seed);
		this.first.fill(0);
		this.second.fill(0);
		this.update = updater(optimizer, this.sums, this);
		this.nextBatch = order(seed, this.sets.train.examples, batchSize);
		this.batchSize = batchSize;
		this.clip = clip;
	}

	/** Make an update on the next batch of the digits for training; returns its loss. */
	step(rate) {
		const { sums, sets, batch, batchSize, gradient, logits } = this;
		const { labels } = sets.train;
		batch.set(this.nextBatch());
		sums.forward(this, sets.train, batchSize);
		let loss = 0;
		for (let i = 0; i < batchSize; i++) {
			const at = i * CLASSES;
			const label = labels[batch[i]];
			loss += classify(logits, at, label);
			logits[at + label] -= 1;
			for (let c = 0; c < CLASSES; c++) logits[at + c] /= batchSize;
		}
		gradient.fill(0);
		sums.backward(this, sets.train, batchSize);
		if (this.clip) this.shorten();
		this.update(rate);
		return loss / batchSize;
	}

	/** Scale the gradient down to the norm that clipping allows. */
	shorten() {
		const { gradient } = this;
		let square = 0;
		for (let i = 0; i < WEIGHTS; i++) square += gradient[i] * gradient[i];
		const norm = Math.sqrt(square);
		if (!(norm > CLIP_NORM || Number.isNaN(norm))) return;
		const factor = CLIP_NORM / norm;
		for (let i = 0; i < WEIGHTS; i++) gradient[i] *= factor;
	}

	/** Mean loss and accuracy on a set of digits. */
	evaluate(name) {
		const { sums, batch, logits } = this;
		const data = this.sets[name];
		let loss = 0;
		let right = 0;
		for (let from = 0; from < data.examples; from += MOST) {
			const count = Math.min(MOST, data.examples - from);
			for (let i = 0; i < count; i++) batch[i] = from + i;
			sums.forward(this, data, count);
			for (let i = 0; i < count; i++) {
				const at = i * CLASSES;
				const label = data.labels[from + i];
				loss += classify(logits, at, label);
				let best = 0;
				for (let c = 1; c < CLASSES; c++) if (logits[at + c] > logits[at + best]) best = c;
				if (best === label && !Number.isNaN(logits[at])) right++;
			}
		}
		return { loss: loss / data.examples, accuracy: right / data.examples };
	}
}
