// A state is what is dialed in: the schedule, its parameters, the view and the pins, and
// where the explorer trains, how.
// It can be written as an address and read back.

import { compile } from "./formulas.js";
import { read } from "./numbers.js";

export function variant(entry, params) {
	const chosen = entry.choices.map((path) => params[path]);
	return entry.variants[JSON.stringify(chosen)];
}

export const test = (condition, params) =>
	compile(condition, Object.keys(params))([0, ...Object.values(params)]);

/** The first condition between the parameters that does not hold, in words. */
export function broken(entry, params) {
	return variant(entry, params).requires.find(([, holds]) => !test(holds, params))?.[0];
}

/** Five pins, each with its own letter and color. */
export const COLORS = ["A", "B", "C", "D", "E"];
export const pinName = (pin) => `${pin.schedule} ${COLORS[pin.color]}`;

// The state as an address, and back; what is not as expected throws.

function curveToQuery({ schedule, params, plateau }) {
	const query = new URLSearchParams({ schedule });
	if (plateau !== undefined) query.append("plateau", plateau);
	for (const [path, value] of Object.entries(params)) query.append(path, value);
	return query;
}

export function toAddress(page, state) {
	const query = new URLSearchParams({ explorer: page });
	for (const [name, value] of curveToQuery(state)) query.append(name, value);
	for (const [name, value] of Object.entries(state.view)) {
		query.append(`view.${name}`, value);
	}
	for (const [name, value] of Object.entries(state.train ?? {})) {
		query.append(`train.${name}`, value);
	}
	for (const pin of state.pins) {
		const words = curveToQuery(pin);
		words.append("pin", COLORS[pin.color]);
		query.append("pin", words);
	}
	return `#${query}`;
}

function take(query, name) {
	const values = query.getAll(name);
	query.delete(name);
	if (values.length !== 1) throw new Error(`${name} must come once`);
	return values[0];
}

function takeValues(query, controls, prefix = "") {
	const entries = controls.map((control) => {
		const value = read(control, take(query, prefix + control.path));
		if (value === undefined) throw new Error(`${control.label} is out of range`);
		return [control.path, value];
	});
	return Object.fromEntries(entries);
}

function takeCurve(query, spec) {
	const schedule = take(query, "schedule");
	if (!Object.hasOwn(spec.schedules, schedule)) throw new Error("an unknown schedule");
	const entry = spec.schedules[schedule];
	const params = takeValues(query, entry.controls);
	const words = broken(entry, params);
	if (words) throw new Error(words);
	if (!spec.plateau) return { schedule, params };
	return { schedule, params, ...takeValues(query, [spec.plateau]) };
}

function finish(query) {
	if ([...query].length) throw new Error("an unknown name");
}

export function fromAddress(hash, page, spec) {
	const query = new URLSearchParams(hash.slice(1));
	if (query.get("explorer") !== `${page}`) return null;
	query.delete("explorer");
	const pins = query.getAll("pin").map((words) => {
		const pin = new URLSearchParams(words);
		const color = COLORS.indexOf(take(pin, "pin"));
		if (color < 0) throw new Error("a pin is unknown");
		const curve = { ...takeCurve(pin, spec), color };
		finish(pin);
		return curve;
	});
	const colors = new Set(pins.map(({ color }) => color));
	if (colors.size < pins.length) throw new Error("a pin comes twice");
	query.delete("pin");
	const view = takeValues(query, spec.view, "view.");
	const train = spec.train && { train: takeValues(query, spec.train, "train.") };
	const curve = takeCurve(query, spec);
	finish(query);
	return { ...curve, view, pins, ...train };
}
