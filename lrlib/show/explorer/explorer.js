// The explorer. It knows no formula: each comes from Python as data, and `compile` makes
// a function of it. Of the model it needs `spec`, what there is, and `state`, what is
// dialled in: an anywidget model, or the plain object of mount.js.

// --- Formulas

const OPERATIONS = new Map(Object.entries({
	Add: (a, b) => a + b,
	Mul: (a, b) => a * b,
	Div: (a, b) => a / b,
	Rational: (a, b) => a / b,
	Pow: Math.pow,
	Mod: (a, b) => ((a % b) + b) % b,
	Min: (a, b) => (a < b ? a : b),
	Max: (a, b) => (a > b ? a : b),
	Abs: Math.abs,
	sign: Math.sign,
	floor: Math.floor,
	ceiling: Math.ceil,
	exp: Math.exp,
	log: Math.log,
	sin: Math.sin,
	cos: Math.cos,
	tanh: Math.tanh,
	Equality: (a, b) => a === b,
	Unequality: (a, b) => a !== b,
	StrictLessThan: (a, b) => a < b,
	LessThan: (a, b) => a <= b,
	StrictGreaterThan: (a, b) => a > b,
	GreaterThan: (a, b) => a >= b,
	And: (a, b) => a && b,
	Or: (a, b) => a || b,
	Not: (a) => !a,
}));

/** Turn a formula into a function of an array: t first, then `names` in order. */
export function compile(formula, names) {
	const slots = new Map(["t", ...names].map((name, i) => [name, i]));
	const visit = (node) => {
		if (typeof node === "string") {
			const i = slots.get(node);
			if (i === undefined) throw new Error(`unknown symbol ${node}`);
			return (v) => v[i];
		}
		if (!Array.isArray(node)) return () => node;
		const [name, ...rest] = node;
		if (name === "let") {
			const shared = rest[0].map(([symbol, value]) => {
				const f = visit(value);
				slots.set(symbol, slots.size);
				return [slots.get(symbol), f];
			});
			const body = visit(rest[1]);
			return (v) => {
				for (const [i, f] of shared) v[i] = f(v);
				return body(v);
			};
		}
		if (name === "Piecewise") {
			const cases = rest.map(([, value, condition]) => [visit(value), visit(condition)]);
			return (v) => {
				for (const [value, holds] of cases) if (holds(v)) return value(v);
				return NaN;
			};
		}
		const operation = OPERATIONS.get(name);
		if (!operation) throw new Error(`unknown operation ${name}`);
		const [first, ...others] = rest.map(visit);
		if (others.length === 0) return (v) => operation(first(v));
		if (others.length === 1) return (v) => operation(first(v), others[0](v));
		return (v) => {
			let result = first(v);
			for (const f of others) result = operation(result, f(v));
			return result;
		};
	};
	return visit(formula);
}

/** The rates at steps 0, 1, ..., steps. */
export function sample({ formula }, params, steps) {
	const names = Object.keys(params);
	const f = compile(formula, names);
	const v = [0, ...names.map((name) => params[name])];
	const rates = new Float64Array(steps + 1);
	for (let t = 0; t <= steps; t++) {
		v[0] = t;
		rates[t] = f(v);
	}
	return rates;
}

/** lrlib.simulate: the expected loss before each of the steps, and after the last. */
export function simulate(rates, view, directions) {
	const { steps, condition_number, noise, batch_size } = view;
	const curvature = (_, i) => condition_number ** -(i / (directions - 1));
	const h = Float64Array.from({ length: directions }, curvature);
	const errors = h.map((each) => 1 / each);
	const added = h.map((each) => (each * noise) / batch_size);
	const losses = new Float64Array(steps + 1);
	losses[0] = 1;
	for (let t = 0; t < steps; t++) {
		const rate = rates[t];
		let sum = 0;
		for (let i = 0; i < directions; i++) {
			const kept = 1 - rate * h[i];
			errors[i] = kept * kept * errors[i] + rate * rate * added[i];
			sum += h[i] * errors[i];
		}
		losses[t + 1] = Number.isNaN(sum) ? Infinity : sum / directions;
	}
	return losses;
}

// --- Numbers as text

/** A number as Python's repr writes it. */
export function python(value, whole) {
	if (whole) return `${BigInt(value)}`;
	const [digits, exponent] = value.toExponential().split("e");
	if (+exponent < -4 || +exponent > 15) {
		return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
	}
	return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

function short(value, digits = 3, smallest = 1e-3) {
	if (typeof value !== "number") return `${value}`;
	if (!Number.isFinite(value)) return value === Infinity ? "∞" : "none";
	const rounded = +value.toPrecision(digits);
	const size = Math.abs(rounded);
	if (rounded === 0 || (size >= smallest && size < 1e5)) return `${rounded}`;
	return rounded.toExponential().replace("+", "");
}

const tick = (value) => short(value, 3, 0.01);
const count = (value) => value.toLocaleString("en");

/** What the reader typed as a value of that control; undefined if it is none. */
function read(control, text) {
	if (control.options) return control.options.find((option) => `${option}` === text);
	if (!/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text)) return undefined;
	const value = Number(text);
	const { above, below, whole } = control;
	const [low, high] = [control.low ?? -Infinity, control.high ?? Infinity];
	const fits =
		(above ? value > low : value >= low) &&
		(below ? value < high : value <= high) &&
		(whole ? Number.isSafeInteger(value) : Number.isFinite(value));
	return fits ? value : undefined;
}

// --- States

function variant(entry, params) {
	const chosen = entry.choices.map((path) => params[path]);
	return entry.variants[JSON.stringify(chosen)];
}

const test = (condition, params) =>
	compile(condition, Object.keys(params))([0, ...Object.values(params)]);

/** The first condition between the parameters that does not hold, in words. */
function broken(entry, params) {
	return variant(entry, params).requires.find(([, holds]) => !test(holds, params))?.[0];
}

/** Five pins, each with a letter and a colour of its own. */
const COLORS = ["A", "B", "C", "D", "E"];
const pinName = (pin) => `${pin.schedule} ${COLORS[pin.color]}`;

// The state as an address, and back; what is not as expected throws.

function curveToQuery({ schedule, params }) {
	const query = new URLSearchParams({ schedule });
	for (const [path, value] of Object.entries(params)) query.append(path, value);
	return query;
}

function toAddress(page, state) {
	const query = new URLSearchParams({ explorer: page });
	for (const [name, value] of curveToQuery(state)) query.append(name, value);
	for (const [name, value] of Object.entries(state.view)) {
		query.append(`view.${name}`, value);
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
	return { schedule, params };
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
	const curve = takeCurve(query, spec);
	finish(query);
	return { ...curve, view, pins };
}

// --- Elements

function set(element, attributes) {
	for (const [name, value] of Object.entries(attributes)) {
		if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else element.setAttribute(name, value);
	}
	return element;
}

const maker = (space) => (name, attributes = {}, ...parts) => {
	const element = set(document.createElementNS(space, name), attributes);
	element.append(...parts);
	return element;
};
const h = maker("http://www.w3.org/1999/xhtml");
const svg = maker("http://www.w3.org/2000/svg");

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const div = (name, ...parts) => h("div", { class: name }, ...parts);
const button = (attributes, ...parts) =>
	h("button", { type: "button", ...attributes }, ...parts);
const option = (value) => h("option", { value }, value);
const bold = (text) => h("b", {}, text);
const show = (element, shown) => (element.style.display = shown ? "" : "none");

/** The first `n` children, made where there are fewer. */
function children(parent, n, make) {
	while (parent.childElementCount > n) parent.lastChild.remove();
	while (parent.childElementCount < n) parent.append(make());
	return [...parent.children];
}

/** Names break at their underscores and dots where a column is narrow. */
function breakable(text) {
	return text.split(/(?<=[_.:])/).flatMap((part, i) => (i ? [h("wbr"), part] : [part]));
}

let ids = 0;
const newId = () => `lrlib-${++ids}`;

// --- Axes and sliders

function roundStep(size) {
	const power = 10 ** Math.floor(Math.log10(size));
	return [1, 2, 5, 10].find((digit) => digit * power >= size * 0.999) * power;
}

function ticksBetween(low, high, wanted) {
	const step = roundStep((high - low) / wanted);
	const ticks = [];
	for (let k = Math.ceil(low / step - 1e-9); k * step <= high * (1 + 1e-9); k++) {
		ticks.push(+(k * step).toPrecision(12));
	}
	return ticks;
}

function linearAxis(low, high) {
	const [from, top] = [Math.min(0, low), Math.max(0, high)];
	const to = from + (top - from || 1) * 1.06;
	return {
		share: (value) => (value - from) / (to - from),
		ticks: ticksBetween(from, to, 4),
	};
}

function logAxis(low, high) {
	if (!(high > 0)) [low, high] = [0.1, 1];
	const from = Math.log10(low / (high < 3 * low ? 2 : 1.2));
	const to = Math.log10(high * 1.2);
	const digits = to - from < 2 ? [1, 2, 5] : [1];
	const every = Math.ceil((to - from) / 6);
	const ticks = [];
	for (let k = Math.floor(from); k <= to; k++) {
		if (k % every === 0) ticks.push(...digits.map((digit) => +`${digit}e${k}`));
	}
	return {
		share: (value) => (Math.log10(Math.max(value, 1e-300)) - from) / (to - from),
		ticks: ticks.filter((value) => Math.log10(value) >= from && Math.log10(value) <= to),
	};
}

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

// --- Charts

const TOP = 26;

class Chart {
	constructor(title, filled) {
		this.title = svg("text", { y: 13, class: "title" }, title);
		this.filled = filled;
		this.grid = svg("g", { class: "grid" });
		this.area = svg("path", { class: "area" });
		this.cursor = svg("path", { class: "cursor" });
		this.lines = svg("g", { class: "lines" });
		this.plot = svg("svg", { y: TOP }, this.area, this.cursor, this.lines);
		this.dot = svg("circle", { class: "dot", r: 4 });
		this.names = svg("g", { class: "names" });
		const parts = [this.grid, this.plot, this.dot, this.names, this.title];
		this.svg = svg("svg", { role: "img" }, ...parts);
	}

	layout({ width, height, left, right, foot, steps, perUnit, unit }) {
		this.left = left;
		this.steps = steps;
		this.width = width - left - right;
		this.height = height - TOP - foot;
		this.unit = unit;
		this.key = null;
		set(this.svg, { width, height });
		set(this.plot, { x: left, width: this.width, height: this.height });
		// A thousand points are more than one a pixel; the reading still has every step.
		const points = Math.min(steps, 1000);
		const step = (_, i) => Math.round((i * steps) / points);
		this.at = Array.from({ length: points + 1 }, step);
		this.across = this.at.map((t) => `${this.x(t).toFixed(1)} `);
		const ticks = ticksBetween(0, steps / perUnit, this.width < 350 ? 3 : 6);
		this.xTicks = ticks.map((value) => [left + this.x(value * perUnit), count(value)]);
	}

	x(t) {
		return (t / this.steps) * this.width;
	}

	y(value) {
		return (1 - this.axis.share(value)) * this.height;
	}

	draw(curves, axis, named) {
		this.axis = axis;
		const key = axis.ticks.join() + axis.share(axis.ticks[0]);
		if (key !== this.key) this.drawGrid();
		this.key = key;
		this.current = curves.find(({ kind }) => kind === "current")?.values;
		this.area.setAttribute("d", "");
		children(this.lines, curves.length, () => svg("path")).forEach((line, i) => {
			const { values, kind } = curves[i];
			const d = this.path(values);
			set(line, { class: kind, d });
			if (this.filled && kind === "current" && d) {
				this.area.setAttribute("d", `${d}V${this.height}H0Z`);
			}
		});
		this.drawNames(named ? curves : []);
	}

	path(values) {
		const { at, across, height } = this;
		let d = "";
		let pen = "M";
		for (let i = 0; i < at.length; i++) {
			const y = this.y(values[at[i]]);
			if (Number.isFinite(y)) {
				d += pen + across[i] + Math.round(clamp(y, -50, height + 50) * 10) / 10;
				pen = "L";
			} else pen = "M";
		}
		return d;
	}

	drawGrid() {
		const { left, width, height, axis, xTicks, unit } = this;
		const bottom = TOP + height;
		const text = (x, y, anchor, words) =>
			svg("text", { x, y, "text-anchor": anchor }, words);
		this.grid.replaceChildren(
			...axis.ticks.flatMap((value) => {
				const y = TOP + this.y(value);
				return [
					svg("path", { d: `M${left} ${y}h${width}` }),
					text(left - 8, y + 4, "end", tick(value)),
				];
			}),
			svg("path", { class: "base", d: `M${left} ${bottom}h${width}` }),
			...xTicks.flatMap(([x, words]) => [
				svg("path", { class: "base", d: `M${x} ${bottom}v4` }),
				text(x, bottom + 18, "middle", words),
			]),
			text(left + width, bottom + 34, "end", unit),
		);
	}

	/** A name at each line's end; names that would touch move apart. */
	drawNames(curves) {
		const { left, width, height, steps } = this;
		const rows = curves.map(({ values, name, kind }) => {
			const y = this.y(values[steps]);
			return { name, kind, y: clamp(y || 0, 0, height) };
		});
		rows.sort((a, b) => a.y - b.y);
		rows.forEach((row, i) => {
			if (i) row.y = Math.max(row.y, rows[i - 1].y + 15);
		});
		rows.reverse().forEach((row, i) => {
			row.y = Math.min(row.y, height - 15 * i);
		});
		const make = () =>
			svg("g", {}, svg("path", { d: "M0 0h8" }), svg("text", { x: 12, y: 4 }));
		children(this.names, rows.length, make).forEach((group, i) => {
			const { name, kind, y } = rows[i];
			set(group, { class: kind, transform: `translate(${left + width + 6} ${TOP + y})` });
			group.lastChild.textContent = name;
		});
	}

	drawCursor(t, line) {
		const y = this.current ? this.y(this.current[t]) : NaN;
		this.cursor.setAttribute("d", line ? `M${this.x(t)} 0V${this.height}` : "");
		const seen = y > -5 && y < this.height + 5;
		show(this.dot, seen);
		if (seen) set(this.dot, { cx: this.left + this.x(t), cy: TOP + y });
	}
}

function extent(curves) {
	let [low, least, high] = [Infinity, Infinity, -Infinity];
	for (const { values } of curves) {
		for (const value of values) {
			if (!Number.isFinite(value)) continue;
			if (value < low) low = value;
			if (value > 0 && value < least) least = value;
			if (value > high) high = value;
		}
	}
	return high < low ? { low: 0, least: 1, high: 1 } : { low, least, high };
}

// --- The explorer

class Explorer {
	constructor(model) {
		this.model = model;
		this.page = model.get("page");
		this.root = div("frame");
		// Keys that work a slider are no shortcuts of JupyterLab's.
		this.root.onkeydown = (event) => event.stopPropagation();
		this.sizes = new ResizeObserver(() => this.redraw());
		this.start();
		this.follow();
	}

	start() {
		this.spec = this.model.get("spec");
		this.state = this.model.get("state");
		this.cursor = null;
		this.remembered = {};
		this.cache = new Map();
		this.build();
	}

	get entry() {
		return this.spec.schedules[this.state.schedule];
	}

	// What changes the state

	change(changes) {
		const { schedule } = this.state;
		this.state = { ...this.state, ...changes };
		this.say("");
		if (this.state.schedule !== schedule) this.buildParams();
		this.redraw();
		// What Python would refuse is said here, and kept from it.
		if (this.problem) return;
		this.model.set("state", this.state);
		this.model.save_changes();
		if (!this.page) return;
		clearTimeout(this.writing);
		this.writing = setTimeout(() => this.writeAddress(), 200);
	}

	pick(schedule, params = this.remembered[schedule] ?? this.defaults(schedule)) {
		this.remembered[this.state.schedule] = this.state.params;
		this.change({ schedule, params });
	}

	defaults(schedule) {
		const { controls } = this.spec.schedules[schedule];
		return Object.fromEntries(controls.map(({ path, value }) => [path, value]));
	}

	pin() {
		const { schedule, params, pins } = this.state;
		const color = COLORS.findIndex((_, i) => !pins.some((pin) => pin.color === i));
		const pin = { schedule, params, color };
		this.change({ pins: [...pins, pin] });
		this.say(`Pinned as ${pinName(pin)}.`);
	}

	drop(pin) {
		const at = this.state.pins.indexOf(pin);
		this.change({ pins: this.state.pins.filter((other) => other !== pin) });
		const left = this.pins.querySelectorAll(".drop");
		(left[Math.min(at, left.length - 1)] ?? this.pinButton).focus();
		this.say(`Dropped ${pinName(pin)}.`);
	}

	/** Python, or another view of the same widget, has set something. */
	receive() {
		const state = this.model.get("state");
		if (this.model.get("spec") !== this.spec) this.start();
		else if (state !== this.state) {
			const { schedule } = this.state;
			this.state = state;
			if (state.schedule !== schedule) this.buildParams();
			this.redraw();
		}
	}

	// The address

	follow() {
		if (!this.page) return;
		try {
			const state = fromAddress(location.hash, this.page, this.spec);
			if (!state) return;
			this.state = state;
			this.build();
		} catch (error) {
			this.say(`The link was not followed: ${error.message}.`);
		}
	}

	writeAddress() {
		history.replaceState(history.state, "", toAddress(this.page, this.state));
	}

	async copy(text, what) {
		try {
			await navigator.clipboard.writeText(text);
			this.say(`${what} is in the clipboard.`);
		} catch {
			this.say(`${what} could not be copied.`);
		}
	}

	// What is on the page

	build() {
		const keys = Object.keys(this.spec.schedules);
		const pick = () => this.pick(this.picker.value);
		this.picker = h("select", { id: newId(), onchange: pick }, ...keys.map(option));
		const label = h("label", { for: this.picker.id }, "Schedule");
		const title = keys.length > 1 ? [label, this.picker] : [bold(keys[0])];
		this.doc = h("p", { class: "doc" });
		this.reading = h("span");
		this.ending = h("span");
		this.rate = new Chart("learning rate", true);
		this.loss = new Chart("expected loss", false);
		this.scrub = h("input", {
			type: "range",
			class: "scrub",
			"aria-label": "Step to read off the chart",
			oninput: () => this.point(+this.scrub.value),
			onblur: () => this.point(null),
		});
		const pointAt = ({ clientX }) => {
			const { steps, left, width } = this.rate;
			const from = this.charts.getBoundingClientRect().left + left;
			this.point(Math.round(clamp((clientX - from) / width, 0, 1) * steps));
		};
		const charts = [this.rate.svg, this.loss.svg, this.scrub];
		this.charts = set(div("charts", ...charts), {
			onpointermove: pointAt,
			onpointerleave: () => this.point(null),
			onpointerdown: (event) => {
				event.preventDefault();
				this.scrub.focus({ preventScroll: true });
				pointAt(event);
			},
		});
		this.notice = h("p", { class: "notice", role: "status" });
		this.pins = h("ul", { class: "pins", "aria-label": "Pinned curves" });

		this.form = div("params");
		const keep = "Keep this curve to compare the next one with";
		this.pinButton = button({ title: keep, onclick: () => this.pin() }, "Pin");
		const reset = () => this.change({ params: this.defaults(this.state.schedule) });
		const buttons = [this.pinButton, button({ onclick: reset }, "Reset")];
		const link = () => {
			if (!this.problem) this.writeAddress();
			this.copy(location.href, "The link");
		};
		if (this.page) buttons.push(button({ onclick: link }, "Copy link"));

		this.view = {};
		for (const control of this.spec.view) {
			const { path } = control;
			this.view[path] = this.control(
				control,
				() => this.state.view[path],
				(value) => this.change({ view: { ...this.state.view, [path]: value } }),
			);
		}
		const views = (...names) => names.map((name) => this.view[name].element);
		this.lossModel = h(
			"fieldset",
			{},
			h("legend", {}, "The loss is that of SGD on a noisy bowl:"),
			...views("condition_number", "noise", "batch_size"),
		);

		const draw = () => this.drawCode();
		this.framework = h("select", { "aria-label": "Library", onchange: draw });
		this.codeText = h("code");
		const copy = () => this.copy(this.codeText.textContent, "The code");
		this.code = h(
			"details",
			{ ontoggle: draw },
			h("summary", {}, "Code"),
			div("buttons", this.framework, button({ onclick: copy }, "Copy code")),
			h("pre", { tabindex: 0, role: "region", "aria-label": "Code" }, this.codeText),
		);

		this.root.replaceChildren(
			div("head", div("title", ...title), this.doc),
			div(
				"view",
				h("p", { class: "words" }, this.reading, this.ending),
				this.charts,
				this.pins,
				div("settings", ...views("steps", "epochs", "steps_per_epoch", "log", "loss")),
				this.notice,
			),
			div("side", this.form, div("buttons", ...buttons), this.lossModel),
			this.code,
		);
		this.laidOut = null;
		this.pinned = null;
		this.buildParams();
		this.sizes.disconnect();
		this.sizes.observe(this.charts);
		this.redraw();
	}

	buildParams() {
		this.picker.value = this.state.schedule;
		const doc = this.entry.doc.split("`");
		this.doc.replaceChildren(
			...doc.map((text, i) => (i % 2 ? h("code", {}, text) : text)),
		);
		const groups = new Map();
		this.params = this.entry.controls.map((control) => {
			const { path, group } = control;
			const made = this.control(
				control,
				() => this.state.params[path],
				(value) => this.change({ params: { ...this.state.params, [path]: value } }),
			);
			if (!groups.has(group)) {
				const words = group ? [h("legend", {}, group)] : [];
				groups.set(group, h(group ? "fieldset" : "div", { class: "group" }, ...words));
			}
			groups.get(group).append(made.element);
			return made;
		});
		this.form.replaceChildren(...groups.values());
		this.formula = null;
	}

	/** A labelled slider with a number field, a checkbox, or a list. */
	control(control, get, set_) {
		const id = newId();
		const label = h("label", { for: id }, ...breakable(control.label));
		const { options } = control;
		if (options) {
			const checkbox = typeof options[0] === "boolean";
			const input = checkbox
				? h("input", { id, type: "checkbox" })
				: h("select", { id }, ...options.map(option));
			const property = checkbox ? "checked" : "value";
			input.onchange = () => set_(input[property]);
			return {
				element: h("div", { class: checkbox ? "check" : "choice" }, input, label),
				refresh: () => (input[property] = get()),
			};
		}
		let slider;
		const range = h("input", { type: "range", "aria-label": control.label });
		range.oninput = () => set_(slider.value(+range.value));
		const field = h("input", {
			id,
			type: "text",
			inputmode: "decimal",
			autocomplete: "off",
		});
		field.oninput = () => {
			const value = read(control, field.value);
			field.setAttribute("aria-invalid", value === undefined);
			if (value !== undefined) set_(value);
			else this.say(`${control.label} must be ${control.words}`);
		};
		field.onblur = () => {
			if (field.getAttribute("aria-invalid") === "true") this.say("");
			refresh(true);
		};
		const refresh = (left) => {
			const value = get();
			slider = scale(control, this.state.view.steps);
			const at = slider.at(value);
			set(range, { min: slider.min, max: slider.max, "aria-valuetext": short(value, 6) });
			range.value = at;
			range.style.setProperty("--share", (at - slider.min) / (slider.max - slider.min));
			// What is being typed is left alone.
			if (!left && field === document.activeElement) return;
			field.value = short(value, 15);
			field.setAttribute("aria-invalid", false);
		};
		const element = h("div", { class: "number" }, label, field, range);
		return { path: control.path, element, refresh };
	}

	// Drawing

	/** A curve's rates and losses; the pinned ones are not computed anew. */
	values({ schedule, params }) {
		const { view } = this.state;
		const { steps, loss, condition_number, noise, batch_size } = view;
		const model = loss && [condition_number, noise, batch_size];
		const key = JSON.stringify([schedule, params, steps, model]);
		if (!this.cache.has(key)) {
			if (this.cache.size > 20) this.cache.clear();
			const rates = sample(variant(this.spec.schedules[schedule], params), params, steps);
			const losses = loss && simulate(rates, view, this.spec.directions);
			this.cache.set(key, { rates, losses });
		}
		return this.cache.get(key);
	}

	redraw() {
		const { view, pins, params, schedule } = this.state;
		const width = this.charts.clientWidth;
		if (!width) return; // not on the page yet; the size observer will call
		for (const control of [...this.params, ...Object.values(this.view)]) control.refresh();
		this.problem = broken(this.entry, params);
		// Numbers that the chosen shape has no use for are out of the way.
		const { formula } = variant(this.entry, params);
		if (formula !== this.formula) {
			const names = JSON.stringify((this.formula = formula));
			for (const { path, element } of this.params) {
				if (path) show(element, names.includes(`"${path}"`));
			}
		}

		const curves = pins.map((pin) => ({
			...this.values(pin),
			name: pinName(pin),
			kind: `pin-${pin.color}`,
		}));
		this.current = this.problem ? null : this.values(this.state);
		if (this.current) curves.push({ ...this.current, name: schedule, kind: "current" });

		const named = pins.length > 0 && width > 420;
		this.layout(width, named ? curves.map(({ name }) => name.length) : []);
		const rates = curves.map((curve) => ({ ...curve, values: curve.rates }));
		const { low, least, high } = extent(rates);
		const axis = view.log
			? logAxis(Math.max(least, high * 1e-6), high)
			: linearAxis(low, high);
		this.rate.draw(rates, axis, named);
		if (view.loss) {
			const losses = curves.map((curve) => ({ ...curve, values: curve.losses }));
			const ends = extent(losses);
			const top = Math.min(ends.high, 10);
			this.loss.draw(losses, logAxis(Math.max(ends.least, top * 1e-8), top), named);
		}
		this.drawPins();
		this.describe();
		this.point(this.cursor);
		this.drawCode();
		if (this.problem) this.say(this.problem);
	}

	layout(width, names) {
		const { steps, epochs, steps_per_epoch, loss } = this.state.view;
		const right = names.length ? Math.min(28 + 6.6 * Math.max(...names), width * 0.36) : 14;
		const height = Math.round(clamp(width / 2.4, 200, 340));
		const perUnit = epochs ? steps_per_epoch : 1;
		const both = { width, left: 44, right, steps, perUnit };
		const key = JSON.stringify([both, epochs, loss]);
		if (key === this.laidOut) return;
		this.laidOut = key;
		const unit = epochs ? "epoch" : "step";
		const foot = loss ? 22 : 38;
		this.rate.layout({ ...both, height, foot, unit: loss ? "" : unit });
		this.loss.layout({ ...both, height: Math.round(height * 0.75), foot: 38, unit });
		show(this.loss.svg, loss);
		show(this.lossModel, loss);
		show(this.view.steps_per_epoch.element, epochs);
		const { width: w, height: h } = this.rate;
		const style = `left:44px;top:${TOP}px;width:${w}px;height:${h}px`;
		set(this.scrub, { min: 0, max: steps, style });
	}

	describe() {
		const { schedule, pins, view } = this.state;
		const label = (chart, words) => set(chart.svg, { "aria-label": words });
		this.ending.replaceChildren();
		if (!this.current) {
			label(this.rate, this.problem);
			label(this.loss, this.problem);
			return;
		}
		const { rates, losses } = this.current;
		const last = short(rates[view.steps]);
		const highest = short(extent([{ values: rates }]).high);
		const others = pins.length ? `. Pinned: ${pins.map(pinName).join(", ")}` : "";
		const end = ` at step ${count(view.steps)}${others}`;
		const first = `learning rate ${short(rates[0])} at step 0`;
		label(this.rate, `${schedule}: ${first}, highest ${highest}, ${last}${end}`);
		this.ending.append("ends at ", bold(last));
		if (!losses) return;
		const lost = short(losses[view.steps], 2);
		label(this.loss, `${schedule}: expected loss 1 at step 0, ${lost}${end}`);
		this.ending.append(", loss ", bold(lost));
	}

	/** Read the curve at step `t`, or at the end for null. */
	point(t) {
		const { steps, epochs, steps_per_epoch } = this.state.view;
		this.cursor = t === null ? null : Math.min(t, steps);
		const at = this.cursor ?? steps;
		this.rate.drawCursor(at, t !== null);
		this.loss.drawCursor(at, t !== null);
		this.reading.replaceChildren();
		if (!this.current) return;
		const { rates, losses } = this.current;
		if (epochs) this.reading.append("epoch ", bold((at / steps_per_epoch).toFixed(2)), " · ");
		this.reading.append("step ", bold(count(at)), ` of ${count(steps)} · rate `);
		this.reading.append(bold(short(rates[at])));
		if (losses) this.reading.append(" · loss ", bold(short(losses[at], 2)));
		this.scrub.value = at;
		this.scrub.setAttribute("aria-valuetext", this.reading.textContent);
	}

	drawPins() {
		const { pins, schedule, params } = this.state;
		this.pinButton.disabled = pins.length === COLORS.length || Boolean(this.problem);
		if (pins !== this.pinned) {
			this.pinned = pins;
			this.pins.replaceChildren(...pins.map((pin) => this.pinRow(pin)));
		}
		pins.forEach((pin, i) => {
			// Of the same schedule, say what the pinned curve has that this one has not.
			const differs = ({ path }) =>
				pin.schedule === schedule && pin.params[path] !== params[path];
			const words = this.spec.schedules[pin.schedule].controls
				.filter(differs)
				.map(({ path, label }) => `${label} ${short(pin.params[path])}`);
			this.pins.children[i].querySelector(".differs").textContent = words.join(", ");
		});
	}

	pinRow(pin) {
		const name = pinName(pin);
		const recall = () => this.pick(pin.schedule, pin.params);
		const drop = () => this.drop(pin);
		return h(
			"li",
			{ class: `pin-${pin.color}` },
			button(
				{ title: `Back to ${name}`, onclick: recall },
				h("span", { class: "swatch" }),
				bold(name),
				h("span", { class: "differs" }),
			),
			button({ class: "drop", "aria-label": `Drop ${name}`, onclick: drop }, "×"),
		);
	}

	drawCode() {
		const { params } = this.state;
		const { code } = variant(this.entry, params);
		const frameworks = Object.keys(code);
		show(this.code, frameworks.length && !this.problem);
		if (!this.code.open || !frameworks.length) return;
		const before = this.framework.value;
		this.framework.replaceChildren(...frameworks.map(option));
		this.framework.value = frameworks.includes(before) ? before : frameworks[0];
		const whole = new Map(this.entry.controls.map((c) => [c.path, c.whole]));
		const fitting = code[this.framework.value].find(([holds]) => test(holds, params));
		const template = fitting?.[1] ?? "# It has no scheduler that makes this curve.";
		this.codeText.textContent = template.replace(/\{([\w.]+)\}/g, (text, path) =>
			whole.has(path) ? python(params[path], whole.get(path)) : text,
		);
	}

	say(text) {
		this.notice.textContent = text;
	}
}

function render({ model, el }) {
	const explorer = new Explorer(model);
	el.classList.add("lrlib-explorer");
	el.replaceChildren(explorer.root);
	const receive = () => explorer.receive();
	const follow = () => explorer.follow();
	model.on("change:state change:spec", receive);
	window.addEventListener("hashchange", follow);
	return () => {
		model.off("change:state change:spec", receive);
		window.removeEventListener("hashchange", follow);
		explorer.sizes.disconnect();
	};
}

export default { render };
