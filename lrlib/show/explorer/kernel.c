// The sums of plain.js in WebAssembly, two numbers of 64 bits at a time, each sum in the
// same order, so that both come to the same bits. `make kernel` compiles it to kernel.js.
//
// Pointers are offsets in the memory of simd.js. A digit's pixels that are not 0 are
// `values[k]` at `places[k]`, a row of the first layer times HIDDEN, for k from
// `starts[digit]` to `starts[digit + 1]`.

#define INPUTS 196
#define HIDDEN 32
#define CLASSES 10
#define B1 (INPUTS * HIDDEN)
#define W2 (B1 + HIDDEN)
#define B2 (W2 + HIDDEN * CLASSES)
#define WEIGHTS (B2 + CLASSES)
#define PART (HIDDEN / 4)
#define PAIRS (CLASSES / 2)
// Every page that trains loads this, so loops are short rather than unrolled.
#define ROLLED _Pragma("clang loop unroll(disable)")
#define EXPORT __attribute__((visibility("default")))

typedef unsigned int u32;
typedef unsigned short u16;
// Eight hidden units at a time stay in registers.
typedef double Part __attribute__((vector_size(8 * PART), aligned(8)));
typedef double Pair __attribute__((vector_size(16), aligned(8)));

// Hidden activations, relu(x W1 + b1), and logits of the digits in `batch`.
EXPORT void forward(const double *weights, const u32 *starts, const u16 *places,
		const double *values, const u32 *batch, u32 count, double *hidden, double *logits) {
	for (; count--; batch++, hidden += HIDDEN, logits += CLASSES) {
		ROLLED for (u32 j = 0; j < HIDDEN; j += PART) {
			Part sum = *(const Part *)(weights + B1 + j);
			for (u32 k = starts[*batch]; k < starts[*batch + 1]; k++)
				sum += values[k] * *(const Part *)(weights + places[k] + j);
			*(Part *)(hidden + j) = sum;
		}
		Pair sums[PAIRS];
		for (u32 c = 0; c < PAIRS; c++) sums[c] = ((const Pair *)(weights + B2))[c];
		for (u32 j = 0; j < HIDDEN; j++) {
			// A NaN stays one, so that a run that has blown up shows.
			if (hidden[j] <= 0) hidden[j] = 0;
			if (hidden[j] == 0) continue;
			const Pair *unit = (const Pair *)(weights + W2 + j * CLASSES);
			for (u32 c = 0; c < PAIRS; c++) sums[c] += hidden[j] * unit[c];
		}
		for (u32 c = 0; c < PAIRS; c++) ((Pair *)logits)[c] = sums[c];
	}
}

// Add the gradients of the digits in `batch`, whose logits have the slopes `errors`.
EXPORT void backward(const double *weights, const u32 *starts, const u16 *places,
		const double *values, const u32 *batch, u32 count, const double *hidden,
		const double *errors, double *gradient) {
	for (; count--; batch++, hidden += HIDDEN, errors += CLASSES) {
		Pair error[PAIRS];
		for (u32 c = 0; c < PAIRS; c++) {
			error[c] = ((const Pair *)errors)[c];
			((Pair *)(gradient + B2))[c] += error[c];
		}
		double slopes[HIDDEN];
		for (u32 j = 0; j < HIDDEN; j++) {
			slopes[j] = 0;
			if (hidden[j] == 0) continue;
			const Pair *unit = (const Pair *)(weights + W2 + j * CLASSES);
			Pair *change = (Pair *)(gradient + W2 + j * CLASSES);
			Pair slope = {0, 0};
			for (u32 c = 0; c < PAIRS; c++) {
				slope += unit[c] * error[c];
				change[c] += hidden[j] * error[c];
			}
			slopes[j] = slope[0] + slope[1];
			gradient[B1 + j] += slopes[j];
		}
		ROLLED for (u32 j = 0; j < HIDDEN; j += PART) {
			const Part slope = *(const Part *)(slopes + j);
			for (u32 k = starts[*batch]; k < starts[*batch + 1]; k++)
				*(Part *)(gradient + places[k] + j) += values[k] * slope;
		}
	}
}

EXPORT void sgd(Pair *weights, const Pair *gradient, double rate) {
	ROLLED for (u32 i = 0; i < WEIGHTS / 2; i++) weights[i] -= rate * gradient[i];
}

EXPORT void momentum(Pair *weights, const Pair *gradient, double rate, Pair *velocity,
		double kept) {
	ROLLED for (u32 i = 0; i < WEIGHTS / 2; i++) {
		velocity[i] = kept * velocity[i] - rate * gradient[i];
		weights[i] += velocity[i];
	}
}

EXPORT void adam(Pair *weights, const Pair *gradient, double size, Pair *first, Pair *second,
		double kept, double new_1, double new_2, double epsilon) {
	ROLLED for (u32 i = 0; i < WEIGHTS / 2; i++) {
		const Pair g = gradient[i];
		first[i] += (g - first[i]) * new_1;
		second[i] += (g * g - second[i]) * new_2;
		const Pair root = {__builtin_sqrt(second[i][0]), __builtin_sqrt(second[i][1])};
		weights[i] = weights[i] * kept - (first[i] * size) / (root + epsilon);
	}
}
