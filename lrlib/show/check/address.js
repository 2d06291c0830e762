// The check's address with a schedule in it, for the pages that show one.

import { python } from "../explorer/numbers.js";

/**
 * A schedule as the call of lrlib that makes it.
 *
 * `controls` are an explorer's: each has a path such as "schedule.alpha", and a group
 * such as "schedule: cosine", which names what stands at "schedule".
 */
export function callOf(name, controls, params) {
	const root = { name: name.replace(/ \d+$/, ""), parts: new Map() };
	for (const { path, group, whole, options } of controls) {
		const inner = new Map();
		for (const words of group.split(", ")) {
			const [where, kind] = words.split(": ");
			if (kind) inner.set(where, kind);
		}
		let at = root;
		let so = "";
		const steps = path.split(".");
		for (const step of steps.slice(0, -1)) {
			so = so ? `${so}.${step}` : step;
			if (!at.parts.has(step)) at.parts.set(step, { name: inner.get(so) ?? null, parts: new Map() });
			at = at.parts.get(step);
		}
		const value = params[path];
		const text = typeof value === "number" ? python(value, whole) : typeof value === "boolean" ? (value ? "True" : "False") : `"${value}"`;
		at.parts.set(steps[steps.length - 1], options && typeof value === "number" ? `${value}` : text);
	}
	const write = (node) => {
		if (typeof node === "string") return node;
		if (node.name === null) return `[${[...node.parts.values()].map(write).join(", ")}]`;
		const named = [...node.parts].map(([key, value]) => `${key}=${write(value)}`);
		return `lrlib.${node.name}(${named.join(", ")})`;
	};
	return write(root);
}

/** The address of the check with a text and a run of so many steps. */
export function checkAddress(text, { steps, epochs, steps_per_epoch: perEpoch }) {
	const [each, times] = epochs ? [perEpoch, Math.ceil(steps / perEpoch)] : [steps, 1];
	const run = { samples: 32 * each, batch_size: 32, epochs: times };
	return `check.html#${new URLSearchParams({ text, ...run })}`;
}
