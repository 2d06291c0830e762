// From a text and the length of a run to its curve and its findings.

import { compare, features, findings, laterSteps, lengths, MOST, SEVERITIES } from "./curve.js";
import { settled } from "./evaluate.js";
import { Refused } from "./python.js";
import { read } from "./reading.js";

/** The run that fit makes of these numbers, counted in updates. */
export function runOf({ samples, batch_size: batch, epochs }) {
	const perEpoch = Math.ceil(samples / batch);
	const n = perEpoch * epochs;
	return { n, unit: "update", steps_per_epoch: perEpoch, epochs, samples, all_steps: n };
}

function inUnit(run, unit) {
	if (unit === "update" || !run.steps_per_epoch) return { ...run, unit: "update" };
	return { ...run, n: Math.ceil(run.n / run.steps_per_epoch), unit: "epoch" };
}

function report(schedule, run, facts, data, asks) {
	const f = settled(schedule).sampler();
	const rates = new Float64Array(run.n);
	for (let t = 0; t < run.n; t++) rates[t] = f(t);
	const later = laterSteps(run.n).map(f);
	const { name, params } = settled(schedule);
	const values = {
		...features(rates, run.n, later),
		...compare(run, lengths(data.lengths, name, params)),
		...facts.call,
		asks: +asks,
	};
	const unknown = facts.troubles.some(([code]) => code === "LR120");
	const found = unknown ? [] : findings(data.findings, values);
	for (const [code, numbers] of facts.troubles) {
		const { text, fix, symptom } = data.troubles[code];
		const words = text.replaceAll(/\{(.*?)\}/g, (_, name) => numbers[name]);
		found.push({ code, severity: "wrong", text: words, fix, symptom, step: null, repair: [] });
	}
	const order = ({ severity }) => SEVERITIES.indexOf(severity);
	return { run, rates, findings: found.sort((a, b) => order(a) - order(b)) };
}

const WEIGHTS = { wrong: 100, suspicious: 10, note: 0 };
const badness = ({ findings: found }) => found.reduce((sum, { severity }) => sum + WEIGHTS[severity], 0);
const ANY_UNIT = ["LR015", "LR019", "LR020", "LR104", "LR120", "LR124"];

/**
 * Check a text. What comes back has `missing`, the expressions to ask for, or `run`,
 * `rates` and `findings`; where nobody has said the unit, also `other`, the same for the
 * other unit. Throws `Refused` with a sentence.
 */
export function check(text, data, parser, numbers, values = new Map(), unit = null) {
	const run = runOf(numbers);
	if (!(run.n <= MOST)) throw new Refused(`this page draws at most ${MOST.toLocaleString("en")} updates`);
	const found = read(text, data, parser, values);
	if (found.missing.length) return { missing: found.missing, found };
	const { facts, schedule } = found;
	const said = unit ?? facts.unit;
	const missing = [];
	if (said || run.epochs < 2) {
		const one = report(schedule, inUnit(run, said ?? "update"), facts, data, false);
		return { missing, found, ...one };
	}
	const units = ["update", "epoch"];
	const both = units.map((each) => report(schedule, inUnit(run, each), facts, data, false));
	const likely = badness(both[1]) < badness(both[0]) ? 1 : 0;
	const chosen = report(schedule, both[likely].run, facts, data, true);
	for (const each of chosen.findings) {
		if (each.severity === "wrong" && !ANY_UNIT.includes(each.code)) each.severity = "suspicious";
	}
	return { missing, found, ...chosen, other: both[1 - likely] };
}
