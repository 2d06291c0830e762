// Evaluates syntax trees: of a reader's text, and of the functions of lrlib that say what
// a call means, which come as data. Nothing of a text is ever run by the browser.
//
// A value is a number, text, boolean or null; an array is a list, a Map a dictionary; a
// `Tree` depends on the step; an `Open` isn't said by the text.

import { Refused, unparse } from "./python.js";
import { compile } from "../explorer/formulas.js";

const [MOST_NODES, MOST_ENTRIES, DEEPEST] = [20_000, 20_000, 200];

/** What depends on the step: a formula as formulas.js takes it. */
export class Tree {
	constructor(node) {
		this.node = node;
	}
}

/** A value that the text doesn't say, and the expressions to ask for. */
export class Open {
	constructor(texts) {
		this.texts = texts;
	}
}

/** A schedule: `at` gives its value at a step, which may be a tree. */
export class Schedule {
	constructor(name, params, at) {
		Object.assign(this, { name, params, at });
	}

	sampler() {
		const value = this.at(new Tree("t"));
		if (!(value instanceof Tree)) return () => value;
		const f = compile(value.node, []);
		return (t) => f([t]);
	}
}

/** A decay that goes up again after its last step. */
export class Wave {
	constructor(decay, forEver, last) {
		Object.assign(this, { decay, for_ever: forEver, last });
	}

	upTo(steps) {
		return steps !== null && steps <= this.last + 1 ? this.decay : this.for_ever;
	}

	/** The same with something put in front of it. */
	later(put, steps) {
		return new Wave(put(this.decay), put(this.for_ever), this.last + steps);
	}
}

export const settled = (schedule, steps = null) =>
	schedule instanceof Wave ? schedule.upTo(steps) : schedule;

export const isNumber = (value) => typeof value === "number";
const isTree = (value) => value instanceof Tree;
const nodeOf = (value) => (isTree(value) ? value.node : value);
const refuse = (words) => {
	throw new Refused(words);
};

/** Expressions that a value, or any value in it, depends on. */
export function unknowns(value) {
	if (value instanceof Open) return value.texts;
	if (Array.isArray(value)) return value.flatMap(unknowns);
	if (value instanceof Map) return [...value.values()].flatMap(unknowns);
	return [];
}

export function allOpen(values) {
	const texts = [...new Set(values.flatMap(unknowns))];
	return texts.length ? new Open(texts) : null;
}

function number(value) {
	if (isTree(value)) return value;
	if (typeof value === "boolean") return +value;
	if (!isNumber(value)) refuse(`${shown(value)} isn't a number`);
	return value;
}

export function shown(value) {
	if (value === null || value === undefined) return "None";
	if (typeof value === "string") return `'${value}'`;
	if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
	return `${value}`;
}

const TREES = { "+": "Add", "*": "Mul", "/": "Div", "**": "Pow", "%": "Mod" };
const COMPARED = { "<": "StrictLessThan", "<=": "LessThan", ">": "StrictGreaterThan", ">=": "GreaterThan", "==": "Equality", "!=": "Unequality" };

/** One of two values, by a condition that may depend on the step. */
export function choose(condition, then, otherwise) {
	if (!isTree(condition)) return truth(condition) ? then : otherwise;
	const open = allOpen([then, otherwise]);
	return open ?? piecewise([number(then), condition], [number(otherwise), true]);
}

/** An operation of Python on numbers and formulas. */
export function operate(sign, left, right) {
	if (left instanceof Schedule || right instanceof Schedule) return ofSchedules(sign, left, right);
	if ((sign === "+" || sign === "*") && [left, right].some((v) => Array.isArray(v) || typeof v === "string")) {
		return ofSequences(sign, left, right);
	}
	if (sign === "|" && left instanceof Map && right instanceof Map) return new Map([...left, ...right]);
	if (sign === "not") return isTree(left) ? new Tree(["Not", left.node]) : !truth(left);
	const [a, b] = right === undefined ? [number(left)] : [number(left), number(right)];
	if (b === undefined) {
		if (sign === "+") return a;
		if (sign !== "-") refuse(`${sign} isn't an operation on numbers`);
		return isTree(a) ? new Tree(["Mul", -1, a.node]) : -a;
	}
	if (isTree(a) || isTree(b)) {
		if (sign === "-") return new Tree(["Add", nodeOf(a), ["Mul", -1, nodeOf(b)]]);
		if (sign === "//") return new Tree(["floor", ["Div", nodeOf(a), nodeOf(b)]]);
		if (!TREES[sign]) refuse(`${sign} isn't an operation on numbers`);
		return new Tree([TREES[sign], nodeOf(a), nodeOf(b)]);
	}
	switch (sign) {
		case "+":
			return a + b;
		case "-":
			return a - b;
		case "*":
			return a * b;
		case "/":
			return a / b;
		case "//":
			return Math.floor(a / b);
		case "%":
			return ((a % b) + b) % b;
		case "**": {
			const power = a ** b;
			return Number.isNaN(power) ? refuse(`${a} ** ${b} isn't a real number`) : power;
		}
	}
	return refuse(`${sign} isn't an operation on numbers`);
}

function ofSchedules(sign, left, right) {
	if (sign !== "*") refuse(`${sign} of schedules is read by Python only`);
	const value = (each, t) => (each instanceof Schedule ? each.at(t) : each);
	return new Schedule("product", {}, (t) => operate("*", value(left, t), value(right, t)));
}

function ofSequences(sign, left, right) {
	if (sign === "*") {
		const [list, times] = isNumber(left) ? [right, left] : [left, right];
		if (!isNumber(times) || list.length * times > MOST_ENTRIES) refuse("a list of the text is too long");
		const repeated = Array.from({ length: Math.max(0, times) }, () => list);
		return typeof list === "string" ? repeated.join("") : repeated.flat();
	}
	if (Array.isArray(left) !== Array.isArray(right)) refuse("can't add a list and something else");
	if (left.length + right.length > MOST_ENTRIES) refuse("a list of the text is too long");
	return typeof left === "string" ? left + right : [...left, ...right];
}

export function truth(value) {
	if (isTree(value)) refuse("what depends on the step is read by Python only");
	if (Array.isArray(value)) return value.length > 0;
	if (value instanceof Map) return value.size > 0;
	return Boolean(value);
}

export function compareTwo(sign, left, right) {
	switch (sign) {
		case "is":
			return (left ?? null) === (right ?? null);
		case "is not":
			return (left ?? null) !== (right ?? null);
		case "in":
		case "not in": {
			const found = right instanceof Map ? right.has(left) : typeof right === "string" ? right.includes(left) : right.some((x) => same(x, left));
			return found === (sign === "in");
		}
	}
	if (isTree(left) || isTree(right)) return new Tree([COMPARED[sign], nodeOf(left), nodeOf(right)]);
	switch (sign) {
		case "==":
			return same(left, right);
		case "!=":
			return !same(left, right);
		case "<":
			return left < right;
		case "<=":
			return left <= right;
		case ">":
			return left > right;
	}
	return left >= right;
}

function same(a, b) {
	if (Array.isArray(a) && Array.isArray(b)) {
		return a.length === b.length && a.every((each, i) => same(each, b[i]));
	}
	return a === b;
}

// The functions of Python and SymPy that the functions of lrlib call

const either = (plain, name) => (value) => (isTree(value) ? new Tree([name, value.node]) : plain(number(value)));
const many = (name, plain) => (...values) => {
	const list = values.length === 1 && Array.isArray(values[0]) ? values[0] : values;
	if (list.some(isTree)) return new Tree([name, ...list.map(nodeOf)]);
	return plain(...list.map(number));
};
const round = (value) => {
	const down = Math.floor(value);
	const rest = value - down;
	return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
};
const listOf = (value) => (value instanceof Map ? [...value.keys()] : typeof value === "string" ? [...value] : value);

function piecewise(...cases) {
	const kept = [];
	for (const [value, condition] of cases) {
		if (condition === false) continue;
		if (condition === true && !kept.length) return value;
		kept.push(["case", nodeOf(value), nodeOf(condition)]);
		if (condition === true) break;
	}
	return new Tree(["Piecewise", ...kept]);
}

function clipped(value, low = null, high = null) {
	const above = low === null ? value : FUNCTIONS.get("max")(value, low);
	return high === null ? above : FUNCTIONS.get("min")(above, high);
}

function bothOrEither(name, a, b) {
	if (isTree(a) || isTree(b)) return new Tree([name, nodeOf(a), nodeOf(b)]);
	return name === "And" ? truth(a) && truth(b) : truth(a) || truth(b);
}

/** A tree with another step in it. */
export function moved(tree, t) {
	if (!isTree(tree)) return tree;
	const step = nodeOf(t);
	const visit = (node) => (node === "t" ? step : Array.isArray(node) ? node.map((x, i) => (i ? visit(x) : x)) : node);
	const node = visit(tree.node);
	return isTree(t) ? new Tree(node) : compile(node, [])([0]);
}

const isKind = (value, kind) => {
	switch (kind) {
		case "int":
			return typeof value === "boolean" || Number.isInteger(value);
		case "float":
			return isNumber(value);
		case "bool":
			return typeof value === "boolean";
		case "str":
			return typeof value === "string";
		case "list":
		case "tuple":
			return Array.isArray(value);
		case "dict":
			return value instanceof Map;
		case "Wave":
			return value instanceof Wave;
		case "Schedule":
			return value instanceof Schedule;
	}
	return false;
};

function whole(value) {
	if (typeof value === "string") return Math.trunc(Number(value));
	if (isTree(value)) {
		return new Tree(["Piecewise", ["case", ["floor", value.node], ["GreaterThan", value.node, 0]], ["case", ["ceiling", value.node], true]]);
	}
	return Math.trunc(number(value));
}

function range(...values) {
	const [start, stop, step] = values.length === 1 ? [0, values[0], 1] : [values[0], values[1], values[2] ?? 1];
	if (step === 0 || (stop - start) / step > MOST_ENTRIES) refuse("a range of the text is too long");
	const found = [];
	for (let i = start; step > 0 ? i < stop : i > stop; i += step) found.push(i);
	return found;
}

function accumulate(values, operation) {
	let total;
	return listOf(values).map((value, i) => (total = i ? (operation ? operation(total, value) : total + value) : value));
}

/** What texts and functions may call, by name. */
export const FUNCTIONS = new Map(
	Object.entries({
		abs: either(Math.abs, "Abs"),
		fabs: either(Math.abs, "Abs"),
		ceil: either(Math.ceil, "ceiling"),
		ceiling: either(Math.ceil, "ceiling"),
		floor: either(Math.floor, "floor"),
		cos: either(Math.cos, "cos"),
		sin: either(Math.sin, "sin"),
		exp: either(Math.exp, "exp"),
		log: either(Math.log, "log"),
		tanh: either(Math.tanh, "tanh"),
		where: choose,
		rsqrt: (value) => operate("/", 1, FUNCTIONS.get("sqrt")(value)),
		reciprocal: (value) => operate("/", 1, value),
		square: (value) => operate("**", value, 2),
		exp2: (value) => operate("**", 2, value),
		sign: either(Math.sign, "sign"),
		minimum: many("Min", Math.min),
		maximum: many("Max", Math.max),
		clip: (value, low, high) => clipped(value, low, high),
		clamp: (value, low, high) => clipped(value, low, high),
		clip_by_value: (value, low, high) => clipped(value, low, high),
		less: (a, b) => compareTwo("<", a, b),
		less_equal: (a, b) => compareTwo("<=", a, b),
		greater: (a, b) => compareTwo(">", a, b),
		greater_equal: (a, b) => compareTwo(">=", a, b),
		logical_and: (a, b) => bothOrEither("And", a, b),
		logical_or: (a, b) => bothOrEither("Or", a, b),
		power: (a, b) => operate("**", a, b),
		divide: (a, b) => operate("/", a, b),
		multiply: (a, b) => operate("*", a, b),
		add: (a, b) => operate("+", a, b),
		subtract: (a, b) => operate("-", a, b),
		mod: (a, b) => operate("%", a, b),
		floor_divide: (a, b) => operate("//", a, b),
		...Object.fromEntries(["float32", "float64", "cast", "asarray", "array", "constant", "convert_to_tensor", "tensor"].map((name) => [name, (value) => value])),
		sqrt: (value) => (isTree(value) ? new Tree(["Pow", value.node, 0.5]) : Math.sqrt(number(value))),
		log2: Math.log2,
		log10: Math.log10,
		pow: (a, b) => operate("**", a, b),
		min: many("Min", Math.min),
		max: many("Max", Math.max),
		int: whole,
		float: (value) => (typeof value === "string" ? Number(value) : number(value)),
		round: (value, digits) => (digits ? +number(value).toFixed(digits) : round(number(value))),
		bool: truth,
		str: (value) => (typeof value === "string" ? value : shown(value)),
		repr: shown,
		len: (value) => (value instanceof Map ? value.size : Array.isArray(value) || typeof value === "string" ? value.length : undefined),
		sum: (values) => listOf(values).reduce((a, b) => operate("+", a, b), 0),
		range,
		list: (value = []) => [...listOf(value)],
		tuple: (value = []) => [...listOf(value)],
		sorted: (value) => [...listOf(value)].sort((a, b) => (Array.isArray(a) ? a[0] - b[0] : a - b)),
		reversed: (value) => [...listOf(value)].reverse(),
		enumerate: (value, start = 0) => listOf(value).map((each, i) => [start + i, each]),
		zip: (...lists) => {
			const all = lists.map(listOf);
			const length = Math.min(...all.map((list) => list.length));
			return Array.from({ length }, (_, i) => all.map((list) => list[i]));
		},
	}),
);

const BUILTINS = new Map(
	Object.entries({
		all: (value) => listOf(value).every(truth),
		any: (value) => listOf(value).some(truth),
		iter: listOf,
		next: (value) => listOf(value)[0],
		map: (f, value) => listOf(value).map((each) => f(each)),
		set: (value) => [...new Set(listOf(value))],
		dict: (value) => new Map(value),
		pairwise: (value) => listOf(value).slice(1).map((each, i) => [listOf(value)[i], each]),
		accumulate,
		exact: (value) => value,
		part: (_, value) => value,
		moved,
		settled,
		missing: (words) => new Refused(`there's no such schedule here: ${words}`),
		Refused: (words) => new Refused(words),
		ValueError: (words) => new Refused(words),
		TypeError: (words) => new Refused(words),
		LookupError: (words) => new Refused(words),
		Wave: (decay, forEver, last) => new Wave(decay, forEver, last),
		Min: many("Min", Math.min),
		Max: many("Max", Math.max),
		Mod: (a, b) => operate("%", a, b),
		Eq: (a, b) => compareTwo("==", a, b),
		Piecewise: piecewise,
		pi: Math.PI,
		expression: (schedule) => schedule.at(new Tree("t")),
		of_expression: (rate) => new Schedule("by_formula", {}, (t) => moved(rate, t)),
	}),
);
const SYMPY = new Map(
	Object.entries({
		Add: (a, b) => operate("+", a, b),
		Rational: (text) => Number(text),
		Integer: (value) => value,
	}),
);
const MATH = new Map(
	Object.entries({
		inf: Infinity,
		pi: Math.PI,
		e: Math.E,
		isfinite: Number.isFinite,
		isclose: (a, b, named) => Math.abs(a - b) <= (named?.get("rel_tol") ?? 1e-9) * Math.max(Math.abs(a), Math.abs(b)),
	}),
);
const OPERATOR = new Map(Object.entries({ mul: (a, b) => operate("*", a, b), add: (a, b) => operate("+", a, b) }));
/** Functions that take named arguments, as a last Map. */
const NAMED = new Set([MATH.get("isclose")]);

class Return {
	constructor(value) {
		this.value = value;
	}
}

/** Functions of lrlib, from its data. */
export class Library {
	constructor(data) {
		this.data = data;
		this.kept = new Map();
		this.makers = new Map();
		this.used = 0;
	}

	make(name) {
		if (!Object.hasOwn(this.data.definitions, name)) refuse(`${name} is read by Python only`);
		if (!this.makers.has(name)) this.makers.set(name, this.maker(name));
		return this.makers.get(name);
	}

	maker(name) {
		const { body, parameters } = this.data.definitions[name];
		const make = (...positional) => {
			const named = positional[positional.length - 1] instanceof Named ? positional.pop() : new Named();
			if (positional.length > parameters.length) refuse(`${name}: too many arguments`);
			const params = {};
			for (const [i, [key, fallback, kind]] of parameters.entries()) {
				const value = i < positional.length ? positional[i] : named.has(key) ? named.get(key) : fallback;
				params[key] = checked(name, key, kind, value);
			}
			const formula = this.reference(body);
			const given = parameters.map(([key, , kind]) => {
				if (kind.type === "inner") return (t) => params[key].at(t);
				if (kind.type === "inners") return params[key].map((schedule) => (t) => schedule.at(t));
				return params[key];
			});
			return new Schedule(name, params, (t) => formula(t, ...given));
		};
		make.named = true;
		return make;
	}

	reference([kind, first, second]) {
		if (kind === "make") return this.make(first);
		if (kind === "constant") return first;
		if (kind === "function") return this.global(first, second);
		return this.builtin(first);
	}

	builtin(name) {
		if (name === "m") return { member: (key) => this.make(key) };
		if (name === "c") return new Map(["join", "warmup", "scale", "product", "clip", "cycle"].map((key) => [key, this.make(key)]));
		if (name === "sympy") return new Map([...FUNCTIONS, ...BUILTINS, ...SYMPY]);
		if (name === "formula") return new Map([["t", new Tree("t")]]);
		if (name === "math") return new Map([...FUNCTIONS, ...MATH]);
		if (name === "operator") return OPERATOR;
		if (name === "isinstance") return null;
		const found = BUILTINS.get(name) ?? FUNCTIONS.get(name);
		if (found === undefined) refuse(`${name} is read by Python only`);
		return found;
	}

	global(module, name) {
		const here = Object.hasOwn(this.data.modules, module) ? this.data.modules[module] : null;
		if (here && Object.hasOwn(here.imports, name)) return this.reference(here.imports[name]);
		if (!here || !Object.hasOwn(here.definitions, name)) return this.builtin(name);
		const key = `${module}.${name}`;
		if (!this.kept.has(key)) {
			const scope = new Scope(null, (other) => (scope.names.has(other) ? scope.names.get(other) : this.global(module, other)));
			new Evaluator(this).block(here.definitions[name], scope);
			this.kept.set(key, scope.names.get(name));
		}
		return this.kept.get(key);
	}
}

/** The named arguments of a call, after the others. */
export class Named extends Map {}

function checked(name, key, kind, value) {
	const wrong = (words) => refuse(`${name}: ${key} ${words}, got ${shown(value)}`);
	const fits = (each) => {
		if (!isNumber(each) || !Number.isFinite(each)) wrong("must be a number");
		if (!kind.negative && each < 0) wrong("must be at least 0");
		if (kind.length && each <= 0) wrong("must be above 0");
	};
	switch (kind.type) {
		case "number":
			fits(value);
			break;
		case "numbers":
			if (!Array.isArray(value) || !value.length) wrong("must be a list of numbers");
			value.forEach(fits);
			if (kind.increasing && value.some((x, i) => i && x < value[i - 1])) wrong("must increase");
			break;
		case "choice":
			if (!kind.options.includes(value)) wrong(`must be one of ${kind.options.map(shown).join(", ")}`);
			break;
		case "inner":
			value = settled(value);
			if (!(value instanceof Schedule)) wrong("must be a schedule");
			break;
		case "inners":
			if (!Array.isArray(value)) wrong("must be a list of schedules");
			value = value.map((each) => settled(each));
			if (!value.length || !value.every((each) => each instanceof Schedule)) wrong("must be a list of schedules");
	}
	return value;
}

export class Scope {
	constructor(around, outside = () => undefined) {
		Object.assign(this, { around, outside, names: new Map() });
	}

	find(name) {
		if (this.names.has(name)) return this.names.get(name);
		return this.around ? this.around.find(name) : this.outside(name);
	}
}

/** Evaluates trees of Python. */
export class Evaluator {
	constructor(library) {
		this.library = library;
	}

	count() {
		if (++this.library.used > MOST_NODES) refuse("the text computes too much");
	}

	value(node, scope) {
		this.count();
		switch (node[0]) {
			case "constant":
				return node[1];
			case "name":
				return this.name(node, scope);
			case "list":
				return this.items(node[1], scope);
			case "dict":
				return this.dictionary(node, scope);
			case "operation":
				return this.operation(node, scope);
			case "compare":
				return this.compare(node, scope);
			case "and":
			case "or":
				return this.logic(node, scope);
			case "choose": {
				const asked = this.value(node[1], scope);
				if (asked instanceof Open) return asked;
				if (isTree(asked)) return choose(asked, this.value(node[2], scope), this.value(node[3], scope));
				return this.value(node[truth(asked) ? 2 : 3], scope);
			}
			case "attribute":
				return this.attribute(node, scope);
			case "subscript":
				return this.subscript(node, scope);
			case "slice": {
				const ends = node.slice(2).map((end) => (end ? this.value(end, scope) : undefined));
				return this.value(node[1], scope).slice(...ends);
			}
			case "call":
				return this.call(node, scope);
			case "star":
				return this.value(node[1], scope);
			case "lambda":
				return this.closure(node[1], [["return", node[2]]], scope);
			case "comprehension":
				return this.comprehension(node, scope);
			case "dict comprehension":
				return new Map(this.comprehension(node, scope));
			case "walrus": {
				const made = this.value(node[2], scope);
				scope.names.set(node[1], made);
				return made;
			}
			case "text":
				return node[1].map((part) => this.value(part, scope)).join("");
		}
		return this.other(node, scope);
	}

	other(node) {
		return refuse(`${node[1]} is read by Python only`);
	}

	name(node, scope) {
		if (node[1] === "isinstance") return "isinstance";
		const found = scope.find(node[1]);
		return found === undefined ? this.other(["name", node[1]], scope) : found;
	}

	items(nodes, scope) {
		const made = [];
		for (const node of nodes) {
			const value = this.value(node, scope);
			if (node[0] === "star") made.push(...listOf(value));
			else made.push(value);
		}
		if (made.length > MOST_ENTRIES) refuse("a list of the text is too long");
		return made;
	}

	dictionary([, keys, values], scope) {
		const made = new Map();
		keys.forEach((key, i) => {
			const value = this.value(values[i], scope);
			if (key === null) {
				if (value instanceof Map) for (const [k, v] of value) made.set(k, v);
			} else made.set(this.value(key, scope), value);
		});
		return made;
	}

	operation([, sign, left, right], scope) {
		const a = this.value(left, scope);
		if (right === undefined) return a instanceof Open ? a : operate(sign, a);
		const b = this.value(right, scope);
		return allOpen([a, b]) ?? operate(sign, a, b);
	}

	compare([, left, signs, rights], scope) {
		const values = [left, ...rights].map((node) => this.value(node, scope));
		const open = signs[0].startsWith("is") ? null : allOpen(values);
		if (open) return open;
		const results = signs.map((sign, i) => compareTwo(sign, values[i], values[i + 1]));
		if (results.some(isTree)) {
			return results.length === 1 ? results[0] : new Tree(["And", ...results.map(nodeOf)]);
		}
		return results.every(Boolean);
	}

	logic([sign, nodes], scope) {
		let value;
		const trees = [];
		for (const node of nodes) {
			value = this.value(node, scope);
			if (value instanceof Open) return value;
			if (isTree(value)) trees.push(value.node);
			else if (truth(value) === (sign === "or")) return value;
		}
		if (!trees.length) return value;
		return trees.length === 1 ? new Tree(trees[0]) : new Tree([sign === "or" ? "Or" : "And", ...trees]);
	}

	attribute([, owner, name], scope) {
		const value = this.value(owner, scope);
		if (value instanceof Map) {
			if (value.has(name)) return value.get(name);
			if (name === "items") return () => [...value.entries()];
			if (name === "values") return () => [...value.values()];
			if (name === "keys") return () => [...value.keys()];
			if (name === "get") return (key, other = null) => (value.has(key) ? value.get(key) : other);
			if (name === "pop") {
				return (key) => {
					const found = value.get(key);
					value.delete(key);
					return found;
				};
			}
		}
		if (Array.isArray(value) && name === "append") return (each) => void value.push(each);
		if (value instanceof Schedule && name === "name") return value.name;
		if (value instanceof Schedule && name === "at") return (t) => value.at(t);
		if (value instanceof Schedule && name === "params") return new Map(Object.entries(value.params));
		if (value instanceof Wave && name === "later") return (put, steps) => value.later(put, steps);
		if (value instanceof Wave && ["decay", "for_ever", "last"].includes(name)) return value[name];
		return this.other(["name", unparse(["attribute", owner, name])], scope);
	}

	subscript([, owner, index], scope) {
		const value = this.value(owner, scope);
		const key = this.value(index, scope);
		if (value?.member) return value.member(key);
		if (value instanceof Map && value.has(key)) return value.get(key);
		if (Array.isArray(value) && Number.isInteger(key)) {
			const found = value.at(key);
			if (found !== undefined) return found;
		}
		return this.other(["name", unparse(["subscript", owner, index])], scope);
	}

	call(node, scope) {
		const [, name, args, keywords] = node;
		const f = this.value(name, scope);
		if (f === "isinstance") {
			const value = this.value(args[0], scope);
			const kinds = (kind) => (kind[0] === "operation" ? [...kinds(kind[2]), ...kinds(kind[3])] : [kind[1]]);
			return kinds(args[1]).some((kind) => isKind(value, kind));
		}
		const positional = this.items(args, scope);
		const named = new Named();
		for (const [key, each] of keywords) {
			const value = this.value(each, scope);
			if (key === null) for (const [k, v] of value) named.set(k, v);
			else named.set(key, value);
		}
		if (f instanceof Schedule) return f.at(positional[0]);
		if (typeof f !== "function") refuse(`${unparse(name)} can't be called here`);
		if (f.named || NAMED.has(f)) return f(...positional, named);
		return f(...positional);
	}

	closure([listed, star, stars], body, scope) {
		let deep = 0;
		const call = (...positional) => {
			const named = positional[positional.length - 1] instanceof Named ? positional.pop() : new Named();
			const inner = new Scope(scope);
			listed.forEach(([name, fallback], i) => {
				if (i < positional.length) inner.names.set(name, positional[i]);
				else if (named.has(name)) inner.names.set(name, named.get(name));
				else if (fallback) inner.names.set(name, this.value(fallback, scope));
				else refuse(`${name} is missing`);
				named.delete(name);
			});
			if (star) inner.names.set(star, positional.slice(listed.length));
			if (stars) inner.names.set(stars, new Map(named));
			if (++deep > DEEPEST) refuse("a function of the text calls itself too often");
			const result = this.block(body, inner);
			deep--;
			return result instanceof Return ? result.value : null;
		};
		call.named = true;
		call.parameters = listed.filter(([, fallback]) => !fallback).map(([name]) => name);
		call.takes = listed.length;
		return call;
	}

	comprehension([, each, loops], scope) {
		const made = [];
		const over = (i, inner) => {
			if (i === loops.length) {
				made.push(this.value(each, inner));
				return;
			}
			const [target, values, tests] = loops[i];
			for (const value of listOf(this.value(values, inner))) {
				const next = new Scope(inner);
				this.assign(target, value, next);
				if (tests.every((test) => truth(this.value(test, next)))) over(i + 1, next);
			}
		};
		over(0, new Scope(scope));
		return made;
	}

	assign(target, value, scope) {
		if (target[0] === "name") scope.names.set(target[1], value);
		else if (target[0] === "subscript") this.value(target[1], scope).set(this.value(target[2], scope), value);
		else if (target[0] === "list") this.unpack(target[1], value, scope);
		else refuse(`can't assign to ${unparse(target)}`);
	}

	unpack(targets, value, scope) {
		const values = listOf(value);
		const star = targets.findIndex(([kind]) => kind === "star");
		targets.forEach((target, i) => {
			const after = targets.length - 1 - i;
			if (i === star) this.assign(target[1], values.slice(i, values.length - after), scope);
			else this.assign(target, star >= 0 && i > star ? values[values.length - 1 - after] : values[i], scope);
		});
	}

	block(statements, scope) {
		for (const [i, node] of statements.entries()) {
			this.count();
			if (node[0] === "if") {
				const asked = this.value(node[1], scope);
				if (asked instanceof Open) return new Return(asked);
				if (isTree(asked)) return this.both(asked, node, statements.slice(i + 1), scope);
			}
			const result = this.statement(node, scope);
			if (result instanceof Return) return result;
		}
		return null;
	}

	/** What a block returns whose `if` depends on the step. */
	both(asked, node, rest, scope) {
		this.library.used += 500; // what follows is evaluated twice
		const values = [node[2], node[3]].map((body) => {
			const inner = new Scope(scope);
			const result = this.block([...body, ...rest], inner);
			if (!(result instanceof Return)) refuse("an if that returns nothing in one case");
			return result.value;
		});
		return new Return(choose(asked, ...values));
	}

	statement(node, scope) {
		switch (node[0]) {
			case "return":
				return new Return(node[1] ? this.value(node[1], scope) : null);
			case "=":
				this.assign(node[1], this.value(node[2], scope), scope);
				return null;
			case "expression":
				this.value(node[1], scope);
				return null;
			case "if":
				return this.block(truth(this.value(node[1], scope)) ? node[2] : node[3], scope);
			case "for":
				for (const value of listOf(this.value(node[2], scope))) {
					this.assign(node[1], value, scope);
					const result = this.block(node[3], scope);
					if (result instanceof Return) return result;
				}
				return null;
			case "raise":
				throw this.value(node[1], scope);
			case "match": {
				const value = this.value(node[1], scope);
				const found = node[2].find(([pattern]) => pattern === null || pattern[0] === value);
				return found ? this.block(found[1], scope) : null;
			}
			case "def":
				scope.names.set(node[1], this.closure(node[2], node[3], scope));
				return null;
			case "pass":
				return null;
		}
		return refuse(`${node[1]} is read by Python only`);
	}
}
