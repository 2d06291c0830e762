// The sums of a small network in plain JavaScript, for browsers that can't run kernel.c.

/** The network: 14 × 14 pixels, 32 hidden units, 10 classes. */
export const SIDE = 14;
export const INPUTS = SIDE * SIDE;
export const HIDDEN = 32;
export const CLASSES = 10;

/** Where the weights of each layer lie in one array: W1, b1, W2, b2. */
export const B1 = INPUTS * HIDDEN;
export const W2 = B1 + HIDDEN;
export const B2 = W2 + HIDDEN * CLASSES;
export const WEIGHTS = B2 + CLASSES;

/** Hidden activations of one digit, into `hidden` from `at`: relu(x W1 + b1). */
function activate(weights, data, digit, hidden, at) {
	const { starts, places, values } = data;
	const to = starts[digit + 1];
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
		for (let k = starts[digit]; k < to; k++) {
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
		const h = at + j;
		// A NaN stays one, so that a run that has blown up shows.
		hidden[h] = s0 < 0 ? 0 : s0;
		hidden[h + 1] = s1 < 0 ? 0 : s1;
		hidden[h + 2] = s2 < 0 ? 0 : s2;
		hidden[h + 3] = s3 < 0 ? 0 : s3;
		hidden[h + 4] = s4 < 0 ? 0 : s4;
		hidden[h + 5] = s5 < 0 ? 0 : s5;
		hidden[h + 6] = s6 < 0 ? 0 : s6;
		hidden[h + 7] = s7 < 0 ? 0 : s7;
	}
}

/** Add the outer product of a digit and `slopes` to the gradient of W1. */
function spread(gradient, data, digit, slopes) {
	const { starts, places, values } = data;
	const to = starts[digit + 1];
	for (let j = 0; j < HIDDEN; j += 8) {
		const s0 = slopes[j];
		const s1 = slopes[j + 1];
		const s2 = slopes[j + 2];
		const s3 = slopes[j + 3];
		const s4 = slopes[j + 4];
		const s5 = slopes[j + 5];
		const s6 = slopes[j + 6];
		const s7 = slopes[j + 7];
		for (let k = starts[digit]; k < to; k++) {
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

/** Makes the arrays, and has the loops over them. */
export class Plain {
	allocate(Type, length) {
		return new Type(length);
	}

	/** Hidden activations and logits of the first `count` digits in the batch. */
	forward({ weights, batch, hidden, logits }, data, count) {
		for (let i = 0; i < count; i++) {
			const [units, sums] = [i * HIDDEN, i * CLASSES];
			activate(weights, data, batch[i], hidden, units);
			for (let c = 0; c < CLASSES; c++) logits[sums + c] = weights[B2 + c];
			for (let j = 0; j < HIDDEN; j++) {
				const h = hidden[units + j];
				// About half of the units are off.
				if (h === 0) continue;
				const unit = W2 + j * CLASSES;
				for (let c = 0; c < CLASSES; c++) logits[sums + c] += h * weights[unit + c];
			}
		}
	}

	/** Add their gradients; `logits` holds the loss's slopes for them by now. */
	backward({ weights, gradient, batch, hidden, logits, slopes }, data, count) {
		for (let i = 0; i < count; i++) {
			const units = i * HIDDEN;
			const errors = i * CLASSES;
			for (let c = 0; c < CLASSES; c++) gradient[B2 + c] += logits[errors + c];
			for (let j = 0; j < HIDDEN; j++) {
				slopes[j] = 0;
				const h = hidden[units + j];
				if (h === 0) continue;
				const unit = W2 + j * CLASSES;
				// Even and odd classes apart, as the kernel adds them.
				let even = 0;
				let odd = 0;
				for (let c = 0; c < CLASSES; c += 2) {
					const one = logits[errors + c];
					const other = logits[errors + c + 1];
					even += weights[unit + c] * one;
					odd += weights[unit + c + 1] * other;
					gradient[unit + c] += h * one;
					gradient[unit + c + 1] += h * other;
				}
				slopes[j] = even + odd;
				gradient[B1 + j] += slopes[j];
			}
			spread(gradient, data, batch[i], slopes);
		}
	}

	sgd({ weights, gradient }, rate) {
		for (let i = 0; i < WEIGHTS; i++) weights[i] -= rate * gradient[i];
	}

	momentum({ weights, gradient, first }, rate, kept) {
		for (let i = 0; i < WEIGHTS; i++) {
			first[i] = kept * first[i] - rate * gradient[i];
			weights[i] += first[i];
		}
	}

	adam({ weights, gradient, first, second }, size, kept, new1, new2, epsilon) {
		for (let i = 0; i < WEIGHTS; i++) {
			const g = gradient[i];
			first[i] += (g - first[i]) * new1;
			second[i] += (g * g - second[i]) * new2;
			weights[i] = weights[i] * kept - (first[i] * size) / (Math.sqrt(second[i]) + epsilon);
		}
	}
}
