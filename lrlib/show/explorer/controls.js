// Controls: a slider with its number field, a checkbox, a list.

import { roundStep } from "./axes.js";
import { breakable, clamp, h, newId, option, set } from "./elements.js";
import { read, short } from "./numbers.js";

/** Positions 0, 1, 2, ... of a slider and the values they stand for. */
function scale(control, steps) {
	let [from, to] = control.slider;
	if (control.length) to = Math.max(steps, from + 1);
	const inside = (value) => clamp(value, from, to);
	if (!control.log) {
		const step = Math.max(roundStep((to - from) / 200), control.whole ? 1 : 0);
		return {
			min: Math.floor(from / step),
			max: Math.ceil(to / step),
			value: (at) => inside(+(at * step).toPrecision(12)),
			at: (value) => Math.round(inside(value) / step),
		};
	}
	// A logarithmic slider that starts at 0 has it at its very left.
	const start = from || to * 1e-5;
	const first = from ? 0 : 1;
	const position = (value) => Math.round(Math.log10(value / start) * 24) + first;
	return {
		min: 0,
		max: position(to),
		value: (at) => {
			const value = at < first ? 0 : start * 10 ** ((at - first) / 24);
			return inside(control.whole ? Math.round(value) : +value.toPrecision(2));
		},
		at: (value) => (value < start ? 0 : position(inside(value))),
	};
}

/**
 * A labeled slider with a number field, a checkbox, or a list. `get` and `put` read and
 * change its value, `steps` is how far a slider for a length goes, and `say` shows a
 * sentence.
 */
export function makeControl(control, { get, put, steps, say }) {
	const id = newId();
	const label = h("label", { for: id }, ...breakable(control.label));
	const { options } = control;
	if (options) {
		const checkbox = typeof options[0] === "boolean";
		const input = checkbox
			? h("input", { id, type: "checkbox" })
			: h("select", { id }, ...options.map(option));
		const property = checkbox ? "checked" : "value";
		input.onchange = () => put(input[property]);
		return {
			element: h("div", { class: checkbox ? "check" : "choice" }, input, label),
			refresh: () => (input[property] = get()),
		};
	}
	let slider;
	const range = h("input", { type: "range", "aria-label": control.label });
	range.oninput = () => put(slider.value(+range.value));
	const field = h("input", {
		id,
		type: "text",
		inputmode: "decimal",
		autocomplete: "off",
	});
	field.oninput = () => {
		const value = read(control, field.value);
		field.setAttribute("aria-invalid", value === undefined);
		if (value !== undefined) put(value);
		else say(`${control.label} must be ${control.words}`);
	};
	field.onblur = () => {
		if (field.getAttribute("aria-invalid") === "true") say("");
		refresh(true);
	};
	let shown = null;
	const refresh = (left) => {
		const value = get();
		slider = scale(control, steps());
		const at = slider.at(value);
		const now = [value, slider.max, range.value].join();
		if (now === shown && !left) return;
		set(range, { min: slider.min, max: slider.max, "aria-valuetext": short(value, 6) });
		range.value = at;
		range.style.setProperty("--share", (at - slider.min) / (slider.max - slider.min));
		shown = [value, slider.max, range.value].join();
		// What is being typed is left alone.
		if (!left && field === document.activeElement) return;
		field.value = short(value, 15);
		field.setAttribute("aria-invalid", false);
	};
	const element = h("div", { class: "number" }, label, field, range);
	return { path: control.path, element, refresh };
}
