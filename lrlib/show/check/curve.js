// What can be wrong with a curve: its features, and the findings, which come as data.
// What Python computes in curve.py is computed here in the same way.

import { compile } from "../explorer/formulas.js";

const [BEYOND, LATER, DOUBLED, SAME, TURN, FEW] = [20, 400, 8, 0.01, 0.05, 32];
export const SEVERITIES = ["wrong", "suspicious", "note"];
/** The most steps that are computed one by one. */
export const MOST = 2_000_000;

/** The steps after a run of n at which a schedule is looked at. */
export function laterSteps(n) {
	const near = Array.from({ length: LATER + 1 }, (_, k) => n + Math.floor((k * n * BEYOND) / LATER));
	const far = Array.from({ length: DOUBLED }, (_, k) => n * BEYOND * 2 ** (k + 1));
	return [...near, ...far];
}

/** Rates to 12 digits of the highest one: the last ones depend on who computes. */
function rounded(values, size = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0)) {
	return size ? values.map((x) => (Math.floor((x / size) * 1e12 + 0.5) / 1e12) * size) : values;
}

function settling(values, n, differs) {
	let last = -1;
	for (let i = 0; i < values.length; i++) if (differs(values[i])) last = i;
	return last + 1;
}

/** The numbers of a curve; rates are known at 0, 1, ..., n - 1. */
export function features(rates, n, later) {
	const at = [];
	let bad = 0;
	let atBad = -1;
	for (let i = 0; i < rates.length; i++) {
		if (Number.isFinite(rates[i])) at.push(i);
		else {
			if (!bad) atBad = i;
			bad++;
		}
	}
	const known = at.length > 0;
	const places = known ? at : Array.from(rates.keys());
	const values = rounded(Float64Array.from(places, (i) => (known ? rates[i] : 0)));
	const count = values.length;
	let [high, low, peak] = [-Infinity, Infinity, 0];
	let [negative, atNegative, rise, fall] = [0, -1, 0, 0];
	for (let i = 0; i < count; i++) {
		const value = values[i];
		if (value > high) [high, peak] = [value, i];
		if (value < low) low = value;
		if (value < 0) {
			if (!negative) atNegative = places[i];
			negative++;
		}
		if (i) {
			const change = value - values[i - 1];
			if (change > 0) rise += change;
			else fall -= change;
		}
	}
	const size = Math.max(Math.abs(high), Math.abs(low));
	const [first, last] = [values[0], values[count - 1]];
	const place = (i) => (i < count ? places[i] : places[count - 1] + 1);
	const settled = (differs) => {
		const i = settling(values, n, differs);
		return i ? place(i) : 0;
	};
	let zeroStart = n;
	for (let i = 0; i < count; i++) {
		if (values[i] !== 0) {
			zeroStart = places[i];
			break;
		}
	}
	const changed = values.findIndex((value) => value !== first);
	return {
		n,
		first,
		last,
		high,
		low,
		at_high: places[peak],
		bad,
		at_bad: atBad,
		negative,
		at_negative: atNegative,
		zero_start: zeroStart,
		zero_end: n - settled((value) => value !== 0),
		over_at: settled((value) => Math.abs(value - last) > SAME * size),
		changed_at: changed < 0 ? n : places[changed],
		rise,
		fall,
		...restarts(places, values, size),
		...turns(places, values, size),
		...jump(places, values, size),
		compounds: compounds(rates),
		...afterwards(n, later, last, size),
	};
}

function restarts(places, values, size) {
	let [count, last, had] = [0, 0, -Infinity];
	for (let i = 0; i + 1 < values.length; i++) {
		const [before, after] = [values[i], values[i + 1]];
		had = Math.max(had, before);
		const up = after > 1.5 * before && after - before > 0.2 * size;
		if (up && had > 1.5 * Math.abs(before)) {
			count++;
			last = i + 1;
		}
	}
	let top = -Infinity;
	for (let i = last; i < values.length; i++) top = Math.max(top, values[i]);
	return { restarts: count, at_restart: count ? places[last] : -1, cycle_high: top };
}

function turns(places, values, size) {
	const corners = [0];
	let before = 0;
	for (let i = 0; i + 1 < values.length && corners.length <= 10_000; i++) {
		const sign = Math.sign(values[i + 1] - values[i]);
		if (!sign) continue;
		if (before && sign !== before) corners.push(i);
		before = sign;
	}
	corners.push(values.length - 1);
	const far = TURN * size;
	let [count, direction, valley, lowest, highest] = [0, 0, -1, 0, 0];
	for (const i of corners) {
		const value = values[i];
		if (value <= values[lowest]) lowest = i;
		if (value >= values[highest]) highest = i;
		if (direction >= 0 && value < values[highest] - far) {
			if (direction > 0) count++;
			[direction, lowest] = [-1, i];
		} else if (direction <= 0 && value > values[lowest] + far) {
			if (direction < 0) {
				count++;
				valley = lowest;
			}
			[direction, highest] = [1, i];
		}
	}
	const rising = direction > 0 && valley >= 0;
	return {
		turns: count,
		trough: rising ? values[valley] : values[values.length - 1],
		at_trough: rising ? places[valley] : -1,
		rising: +rising,
	};
}

function jump(places, values, size) {
	if (values.length < 2) return { jump: 1, at_jump: -1 };
	let [best, at, had] = [-Infinity, 0, -Infinity];
	for (let i = 0; i + 1 < values.length; i++) {
		had = Math.max(had, values[i]);
		const fair = had > 0 && values[i + 1] > 0.3 * size;
		const ratio = fair ? values[i + 1] / had : 1;
		if (ratio > best) [best, at] = [ratio, i];
	}
	return { jump: best, at_jump: places[at + 1] };
}

function compounds(rates) {
	let k = 0;
	while (k < Math.min(rates.length, 50) && rates[k] > 1e-290 && rates[k] < Infinity) k++;
	if (k < 4) return 0;
	const inSteps = (grown) => {
		const d = grown(rates[0] / rates[1]);
		for (let i = 1; i < k; i++) {
			const off = grown(rates[i - 1] / rates[i]) - i * d;
			if (Math.abs(off) > 1e-4 * i * Math.abs(d)) return false;
		}
		return d > 1e-9;
	};
	return +(inSteps((ratio) => ratio - 1) || inSteps(Math.log));
}

function afterwards(n, later, last, size) {
	if (!later?.every(Number.isFinite)) {
		return {
			known_later: 0,
			later_low: last,
			later_high: last,
			later_falls: 0,
			capped: 0,
			floor: last,
			settles: 0,
			settles_at: n,
		};
	}
	const floor = later[later.length - 1];
	const still = later.slice(-LATER / 20).every((x) => Math.abs(x - floor) <= 1e-6 * Math.abs(floor));
	let [highest, falls] = [-Infinity, 0];
	for (const value of later) {
		highest = Math.max(highest, value);
		if (value < highest - TURN * highest) falls = 1;
	}
	const near = later.slice(0, LATER + 1);
	const i = settling(near, n, (value) => Math.abs(value - floor) > SAME * size);
	const steps = laterSteps(n);
	const at = i === 0 ? 0 : i < near.length ? steps[i] : steps[near.length - 1] + 1;
	return {
		known_later: 1,
		later_low: Math.min(...later),
		later_high: Math.max(...later),
		later_falls: falls,
		capped: +later.slice(-3).every((x) => x === Math.max(...later)),
		floor: rounded([floor], size)[0],
		settles: +still,
		settles_at: at || n,
	};
}

// The lengths in a schedule

export function lengths({ total, part, decays }, name, params) {
	const found = { total: [], part: [], boundaries: [], should_fall: +decays.includes(name) };
	if (Object.hasOwn(total, name)) {
		found.total.push(params[total[name]]);
		if (name === "warmup_cosine") found.total.push(params.decay_steps + params.warmup_steps);
	}
	if (Object.hasOwn(part, name)) found.part.push(params[part[name]]);
	if (name === "piecewise_constant") found.boundaries = [...params.boundaries];
	if (name === "warmup" || name === "join") {
		const inner = params.schedule ?? params.schedules.at(-1);
		const shift = params.steps ?? params.boundaries.at(-1);
		const inside = lengths({ total, part, decays }, inner.name, inner.params);
		const shifted = (list) => list.map((x) => x + shift);
		found.total = [...inside.total, ...shifted(inside.total)];
		found.part = inside.part;
		found.boundaries = shifted(inside.boundaries);
	}
	if (name === "cycle" && params.schedule.name === "piecewise_interpolate") {
		found.total.push(params.schedule.params.boundaries[0]);
	}
	return found;
}

export function compare(run, found) {
	const every = [...found.total, ...found.part, ...found.boundaries.slice(-1)];
	const byUpdate = run.unit === "update";
	const { n, epochs, samples, all_steps, steps_per_epoch: spe } = run;
	const several = byUpdate && epochs > 1 && spe > 1;
	const perSample = samples >= FEW ? [samples, samples * epochs] : [];
	const match = (values, wanted) => values.find((x) => x > 1 && wanted.includes(x)) ?? 0;
	const matches = {
		counts_epochs: match(every, several ? [epochs] : []),
		counts_samples: match(every, perSample.filter((x) => byUpdate && x !== n && x !== spe)),
		counts_one_epoch: match(found.total, several ? [spe] : []),
		counts_all: match(found.total, byUpdate && all_steps > n ? [all_steps] : []),
		counts_updates: match(every, !byUpdate && spe > 1 ? [n * spe] : []),
	};
	const past = found.boundaries.filter((b) => b >= n);
	const flags = Object.entries(matches).map(([name, x]) => [name, +(x > 0)]);
	return {
		length: Object.values(matches).find((x) => x) ?? 0,
		...Object.fromEntries(flags),
		boundaries: found.boundaries.length,
		past: past.length,
		first_past: past.length ? Math.min(...past) : 0,
		should_fall: found.should_fall,
		unit: run.unit,
		units: `${run.unit}s`,
		epochs,
		steps_per_epoch: spe,
		samples,
		all_steps,
	};
}

// The findings

const grouped = (value) => `${value}`.replace(/\B(?=(\d{3})+$)/g, ",");
const whole = (value) => Math.floor(value + 0.5);

export function rate(value) {
	if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : "infinite";
	const rounded = +value.toPrecision(3);
	if (rounded && !(Math.abs(rounded) >= 1e-4 && Math.abs(rounded) < 1e5)) {
		return rounded.toExponential().replace("+", "");
	}
	return `${rounded}`;
}

const FORMATS = {
	count: (value) => grouped(whole(value)),
	plain: (value) => `${whole(value)}`,
	rate,
	percent(value) {
		const size = value >= 0.1 ? 1 : value >= 0.01 ? 10 : 100;
		return `${+(Math.floor(value * 100 * size + 0.5) / size).toPrecision(6)} %`;
	},
	text: String,
};

export function findings(definitions, values) {
	const names = Object.keys(values);
	const v = [0, ...names.map((name) => values[name])];
	const value = (tree) => compile(tree, names)([...v]);
	const written = (parts) =>
		parts
			.map((part) => (typeof part === "string" ? part : FORMATS[part[1]](value(part[0]))))
			.join("");
	const found = [];
	for (const each of definitions) {
		const hit = each.conditions.find(([, condition]) => value(condition));
		if (!hit) continue;
		found.push({
			code: each.code,
			severity: hit[0],
			text: written(each.text),
			fix: written(each.fix),
			symptom: each.symptom,
			step: each.at === null ? null : Math.trunc(value(each.at)),
			repair: each.repair.map((part, i) => (i ? value(part) : part)),
		});
	}
	const order = ({ severity }) => SEVERITIES.indexOf(severity);
	return found.sort((a, b) => order(a) - order(b));
}
