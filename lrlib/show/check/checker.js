// The check on the published page: a text, the length of a run, its curve and findings.

import { extent, Chart, TOP } from "../explorer/chart.js";
import { linearAxis } from "../explorer/axes.js";
import { bold, button, div, h, newId, set, svg, toClipboard } from "../explorer/elements.js";
import { count } from "../explorer/numbers.js";
import { check } from "./checking.js";
import { rate } from "./curve.js";
import { Refused } from "./python.js";
import { repaired } from "./repairing.js";

const NUMBERS = [
	["samples", "training examples", 60_000],
	["batch_size", "batch size", 32],
	["epochs", "epochs", 10],
];
const UNITS = [
	["", "as the text says"],
	["update", "updates"],
	["epoch", "epochs"],
];

/** What an address says after its #; in the links of a page it's in base 64. */
function queryOf(hash) {
	const [, word] = /^q-([\w-]+)$/.exec(hash) ?? [];
	if (!word) return new URLSearchParams(hash);
	try {
		const bytes = atob(word.replaceAll("-", "+").replaceAll("_", "/"));
		return new URLSearchParams(bytes);
	} catch {
		return new URLSearchParams();
	}
}

/** What the reader fills in, and which of it the text makes use of. */
class Given extends Map {
	used = new Set();

	get(expression) {
		if (this.has(expression)) this.used.add(expression);
		return super.get(expression);
	}
}

class Checker {
	constructor(el, data, parser) {
		Object.assign(this, { el, data, parser, values: new Map(), fields: new Map() });
		this.text = h("textarea", { rows: 6, spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", id: newId() });
		this.inputs = new Map(NUMBERS.map(([name, , value]) => [name, h("input", { type: "text", inputmode: "numeric", id: newId(), value })]));
		this.unit = h("select", { id: newId() }, ...UNITS.map(([value, words]) => h("option", { value }, words)));
		this.open = div("fields");
		this.words = h("p", { class: "words", role: "status" });
		this.chart = new Chart("learning rate", true);
		this.marks = svg("g", { class: "marks" });
		this.chart.svg.append(this.marks);
		this.picture = div("charts", this.chart.svg);
		this.list = h("ol", { class: "findings" });
		this.fixed = div("fixed");
		const label = (input, words) => h("label", { for: input.id }, words);
		const numbers = NUMBERS.map(([name, words]) => div("field", label(this.inputs.get(name), words), this.inputs.get(name)));
		numbers.push(div("field", label(this.unit, "the schedule counts"), this.unit));
		const examples = data.examples.map((example) => button({ onclick: () => this.show(example) }, example.name));
		el.replaceChildren(
			div("examples", h("span", {}, "Try one:"), ...examples),
			label(this.text, "Your lines, as they stand in your code"),
			this.text,
			div("fields", ...numbers),
			this.open,
			this.words,
			this.picture,
			this.list,
			this.fixed,
		);
		for (const input of [this.text, this.unit, ...this.inputs.values()]) {
			input.addEventListener("input", () => this.later());
		}
		new ResizeObserver(() => this.draw()).observe(this.picture);
		window.addEventListener("hashchange", () => this.fromAddress());
		if (!this.fromAddress()) this.show(data.examples[0]);
	}

	show({ text, samples, batch_size: batch, epochs, unit = "" }) {
		this.text.value = text;
		this.inputs.get("samples").value = samples;
		this.inputs.get("batch_size").value = batch;
		this.inputs.get("epochs").value = epochs;
		this.unit.value = unit;
		this.ask([]);
		this.update();
	}

	fromAddress() {
		const query = queryOf(window.location.hash.slice(1));
		if (!query.has("text")) return false;
		const number = (name, fallback) => query.get(name) ?? fallback;
		const [samples, batch, epochs] = NUMBERS.map(([name, , value]) => number(name, value));
		const unit = UNITS.some(([value]) => value === query.get("unit")) ? query.get("unit") : "";
		this.show({ text: query.get("text").slice(0, 100_000), samples, batch_size: batch, epochs, unit });
		return true;
	}

	later() {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.update(), 120);
	}

	numbers() {
		const found = {};
		let wrong = null;
		for (const [name, words] of NUMBERS) {
			const input = this.inputs.get(name);
			const typed = input.value.replaceAll(/[\s,_]/g, "");
			const value = /^\d{1,12}$/.test(typed) ? Number(typed) : 0;
			input.setAttribute("aria-invalid", value < 1);
			if (value < 1) wrong = `${words}: give a whole number above 0`;
			found[name] = value;
		}
		if (wrong) throw new Refused(wrong);
		return found;
	}

	given() {
		const values = new Given();
		for (const [expression, { input }] of this.fields) {
			const typed = input.value.trim();
			if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(typed)) values.set(expression, Number(typed));
			else if (typed) values.set(expression, typed.replace(/^(["'])(.*)\1$/, "$2"));
		}
		return values;
	}

	update() {
		this.result = null;
		try {
			const numbers = this.numbers();
			const values = this.given();
			const found = check(this.text.value, this.data, this.parser, numbers, values, this.unit.value || null);
			this.ask([...new Set([...values.used, ...found.missing])]);
			if (found.missing.length) throw new Refused(`the text leaves open: ${found.missing.join(", ")}. Fill in the fields above`);
			this.result = found;
			this.numbersNow = numbers;
			this.valuesNow = values;
		} catch (error) {
			if (!(error instanceof Refused) && !(error instanceof RangeError)) console.error(error);
			const known = error instanceof Refused;
			this.refuse(known ? error.message : "the text can't be read: it's too deep or too large");
			return;
		}
		this.report();
	}

	/** Fields for what the text leaves open. */
	ask(expressions) {
		const kept = new Map(expressions.filter((each) => this.fields.has(each)).map((each) => [each, this.fields.get(each)]));
		for (const expression of expressions) {
			if (kept.has(expression)) continue;
			const input = h("input", { type: "text", id: newId(), oninput: () => this.later() });
			const field = div("field", h("label", { for: input.id }, h("code", {}, expression)), input);
			kept.set(expression, { input, field });
		}
		for (const [expression, { field }] of this.fields) if (!kept.has(expression)) field.remove();
		this.fields = kept;
		for (const { field } of kept.values()) if (!field.isConnected) this.open.append(field);
	}

	refuse(words) {
		this.words.replaceChildren(`Not yet: ${words}.`.replace(/([.…)])\.$/, "$1"));
		this.picture.style.display = "none";
		this.list.replaceChildren();
		this.fixed.replaceChildren();
	}

	report() {
		const { run, rates, findings, other } = this.result;
		const updates = run.unit === "epoch" ? run.n * run.steps_per_epoch : run.n;
		const last = rates[rates.length - 1];
		const parts = [
			bold(`${count(updates)} updates`),
			` (${count(run.epochs)} epochs of ${count(run.steps_per_epoch)}), read as counting ${run.unit}s: the rate goes from ${rate(rates[0])} to ${rate(last)}.`,
		];
		if (other) {
			const end = other.rates[other.rates.length - 1];
			parts.push(` If it counts ${other.run.unit}s, from ${rate(other.rates[0])} to ${rate(end)}.`);
		}
		this.words.replaceChildren(...parts);
		const items = findings.map((finding) =>
			h(
				"li",
				{ class: finding.severity },
				bold(finding.severity),
				" ",
				h("code", {}, finding.code),
				` ${finding.text} `,
				h("span", { class: "fix" }, finding.fix),
				" ",
				h("a", { href: this.data.symptoms + finding.symptom, "aria-label": `More about ${finding.code}` }, "More"),
			),
		);
		const none = h("li", { class: "none" }, "Nothing found: this schedule fits the run.");
		this.list.replaceChildren(...(items.length ? items : [none]));
		this.picture.style.display = "";
		this.draw();
		this.repair();
	}

	/** The corrected lines, if they no longer have the finding. */
	repair() {
		this.fixed.replaceChildren();
		for (const finding of this.result.findings) {
			if (!finding.repair.length || finding.severity === "note") continue;
			const text = repaired(this.result.found, finding.repair);
			if (text === null || !this.solves(text, finding.code)) continue;
			const copied = h("span", { role: "status" });
			const copy = async () => copied.replaceChildren((await toClipboard(text)) ? "Copied" : "Select and copy it");
			this.fixed.replaceChildren(
				h("p", {}, "Corrected, as a text to copy:"),
				h("pre", { tabindex: 0 }, h("code", {}, text)),
				div("buttons", button({ onclick: copy }, "Copy"), button({ onclick: () => this.take(text) }, "Check it"), copied),
			);
			return;
		}
	}

	solves(text, code) {
		try {
			const again = check(text, this.data, this.parser, this.numbersNow, this.valuesNow, this.unit.value || null);
			return !again.missing.length && !again.findings.some((each) => each.code === code && each.severity !== "note");
		} catch {
			return false;
		}
	}

	take(text) {
		this.text.value = text;
		this.update();
		this.text.focus();
	}

	draw() {
		const width = this.picture.clientWidth;
		if (!this.result || !width) return;
		const { run, rates, findings } = this.result;
		const steps = Math.max(rates.length - 1, 1);
		const values = rates.length > 1 ? rates : Float64Array.of(rates[0], rates[0]);
		const height = Math.round(Math.min(320, Math.max(200, width * 0.36)));
		const unit = run.unit === "epoch" ? "epochs" : "updates";
		this.chart.layout({ width, height, left: 56, right: 16, foot: 44, steps, perUnit: 1, unit });
		const curve = { values, kind: "current", name: "" };
		const { low, high } = extent([curve]);
		this.chart.draw([curve], linearAxis(low, high), false);
		const marked = findings.filter(({ step }) => step !== null).length;
		const words = `Learning rate over ${count(rates.length)} ${unit}; ${marked} findings are marked on it`;
		set(this.chart.svg, { "aria-label": words });
		const rows = new Map();
		const marks = findings.map(({ step, severity }, i) => {
			if (step === null) return null;
			const t = Math.max(0, Math.min(step, steps));
			const x = this.chart.left + this.chart.x(t);
			const y = TOP + this.chart.y(Number.isFinite(values[t]) ? values[t] : 0);
			const row = rows.get(Math.round(x / 12)) ?? 0;
			rows.set(Math.round(x / 12), row + 1);
			const before = x > width - 40;
			const number = svg("text", { x: x + (before ? -9 : 9), y: Math.max(y - 8 - 15 * row, 12), "text-anchor": before ? "end" : "start" }, `${i + 1}`);
			return svg("g", { class: severity }, svg("circle", { cx: x, cy: y, r: 5 }), number);
		});
		this.marks.replaceChildren(...marks.filter(Boolean).reverse());
	}
}

const parser = globalThis.lrlibPython?.parser;
const data = globalThis.lrlibCheck;
for (const el of document.querySelectorAll(".lrlib-check")) {
	try {
		el.checker = new Checker(el, data, parser);
	} catch (error) {
		console.error(error);
		el.append(h("p", { role: "alert" }, `The check failed to start: ${error.message}. Use lrlib.check in a notebook.`));
	}
}
