// The same sums as plain.js, in WebAssembly: two numbers at a time, two to four times as
// fast, and equal to the last bit.

import { KERNEL } from "./kernel.js";

/** Room for some 12,000 digits; what isn't written to takes none. */
const PAGES = 128; // of 64 KiB

export class Simd {
	/** Fails where a browser has no WebAssembly, or none that handles two numbers at once. */
	constructor() {
		const code = Uint8Array.from(KERNEL.match(/../g), (byte) => parseInt(byte, 16));
		this.memory = new WebAssembly.Memory({ initial: PAGES });
		const imports = { env: { memory: this.memory } };
		const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), imports);
		this.kernel = exports;
		// The compiler's own stack is below.
		this.free = exports.__heap_base.value;
	}

	allocate(Type, length) {
		const array = new Type(this.memory.buffer, this.free, length);
		// Each begins on 16 bytes.
		this.free += (array.byteLength + 15) & ~15;
		return array;
	}

	forward({ weights, batch, hidden, logits }, { starts, places, values }, count) {
		this.call("forward", weights, starts, places, values, batch, count, hidden, logits);
	}

	backward(run, { starts, places, values }, count) {
		const { weights, gradient, batch, hidden, logits } = run;
		const lists = [starts, places, values, batch];
		this.call("backward", weights, ...lists, count, hidden, logits, gradient);
	}

	sgd({ weights, gradient }, rate) {
		this.call("sgd", weights, gradient, rate);
	}

	momentum({ weights, gradient, first }, rate, kept) {
		this.call("momentum", weights, gradient, rate, first, kept);
	}

	adam({ weights, gradient, first, second }, size, ...numbers) {
		this.call("adam", weights, gradient, size, first, second, ...numbers);
	}

	/** An array is handed over as its place in the memory. */
	call(name, ...values) {
		this.kernel[name](...values.map((value) => value.byteOffset ?? value));
	}
}
