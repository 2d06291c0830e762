// Which schedule a text means: the calls of libraries in it, their optimizers, and what it
// leaves open. Rows, meanings and formulas come from Python as data.

import {
	allOpen,
	Evaluator,
	FUNCTIONS,
	isNumber,
	Library,
	moved,
	Named,
	operate,
	Open,
	Schedule,
	Scope,
	settled,
	shown,
	Tree,
	truth,
	unknowns,
	Wave,
} from "./evaluate.js";
import { parse, Refused, unparse } from "./python.js";

const LONGEST = 100_000;
const OPTIMIZER = /(^|[_.])opt(im|imizer|imiser)?s?(\d*|_\w*)$/i;
const LOOKS = /^[A-Z]\w*(Schedule[r]?|LR|Warmup\w*|Anneal\w*|Decay\w*)$/;
const FACTORY = /^(get|make|build|create)_\w*(schedule|scheduler)\w*$/;
const KERAS = /^(SGD|Adam\w*|RMSprop|Nadam|Lion|Ftrl|Adagrad|Adadelta)$/;
const SCHEDULER = /sched|lr_|_lr|warmup|annealing/i;
const CONVERSIONS = ["asarray", "array", "cast", "constant", "convert_to_tensor", "tensor", "float32", "float64"];
const HARMLESS = ["LRFinder", "LearningRateMonitor", "LearningRateScheduler"];
const PYTHON_ONLY = "run it in a notebook: lrlib.check(text, …)";

class Optimizer {
	constructor(rates, name) {
		Object.assign(this, { rates, name });
	}

	rate() {
		const different = new Set(this.rates.map((rate) => (rate instanceof Open ? rate.texts.join() : rate)));
		if (different.size > 1) throw new Refused(`${this.name} has groups of weights with rates of their own: keep one of them`);
		return this.rates[0];
	}
}

class Made {
	constructor(schedule, missing, optimizer, name) {
		Object.assign(this, { schedule, missing, optimizer, name, used: false, trains: false });
	}
}

/** Read a text: what it means, or what it leaves open. */
export function read(text, data, parser, values = new Map()) {
	if (text.length > LONGEST) throw new Refused("the text is too long: paste only the part with the schedule");
	const cleaned = clean(text);
	if (!cleaned.trim()) throw new Refused("paste a line with a schedule");
	const { statements, text: source, alone } = parse(cleaned, parser);
	const script = new Script(source, data, values);
	const facts = factsOf(statements, data, source);
	script.idle = facts.troubles.map(([, { callback }]) => callback);
	let found;
	if (facts.unsorted) found = { made: null, missing: [], schedule: facts.unsorted };
	else if (alone) found = script.oneCall(statements[0][1]);
	else found = script.whole(statements);
	return { ...found, facts, source, alone, used: script.library.used };
}

function clean(text) {
	let lines = text
		.replaceAll("\t", "    ")
		.split(/\r?\n/)
		.filter((line) => !/^\s*(```|[%!]\w|In \[|\.\.\.$)/.test(line));
	if (lines.some((line) => line.startsWith(">>> "))) {
		lines = lines.filter((line) => /^(>>>|\.\.\.) /.test(line)).map((line) => line.slice(4));
	}
	const indents = lines.filter((line) => line.trim()).map((line) => /^ */.exec(line)[0].length);
	const shared = indents.length ? Math.min(...indents) : 0;
	// The parser wants a digit after the point of 1.
	const points = /(?<![\w.])(\d+)\.(?![\w.])/g;
	return lines.map((line) => line.slice(shared).replace(points, "$1.0")).join("\n");
}

class Script extends Evaluator {
	constructor(source, data, values) {
		super(new Library(data));
		Object.assign(this, { source, data, values });
		this.top = new Scope(null);
		this.made = [];
		this.optimizers = [];
		this.refused = [];
		this.rate = null;
		this.alone = false;
	}

	oneCall(outer) {
		const [, , args, named] = outer;
		if (args.length !== 1) throw new Refused("write one call, and after it lr=…");
		const other = named.find(([name]) => name !== "lr");
		if (other) throw new Refused(`only lr can stand after the call, not ${other[0]}`);
		if (named.length) {
			this.rate = this.value(named[0][1], this.top);
			if (!(this.rate instanceof Open) && !isNumber(this.rate)) throw new Refused("lr isn't a number");
		}
		this.moved = true;
		return this.finish(this.value(args[0], this.top));
	}

	whole(statements) {
		this.alone = statements.length === 1 && statements[0][0] === "expression" && statements[0][1][0] === "call";
		let last;
		for (const node of statements) last = this.topLevel(node);
		this.settings = statements.some((node) => node.some((each) => each?.[0] === "dict"));
		return this.finish(this.alone ? last : undefined);
	}

	topLevel(node) {
		if (node[0] === "=") {
			this.bind(node[1], this.value(node[2], this.top));
			return undefined;
		}
		if (node[0] === "expression") return this.value(node[1], this.top);
		this.statement(node, this.top);
		return undefined;
	}

	statement(node, scope) {
		switch (node[0]) {
			case "refused":
				this.passOver(node, scope);
				return null;
			case "if":
				return this.conditional(node, scope);
			case "=":
				if (scope === this.top) {
					this.bind(node[1], this.value(node[2], scope));
					return null;
				}
		}
		return super.statement(node, scope);
	}

	/** Follow an `if` whose condition is known; one that is open may decide nothing. */
	conditional(node, scope) {
		const asked = this.value(node[1], scope);
		if (!(asked instanceof Open)) return this.block(truth(asked) ? node[2] : node[3], scope);
		const text = node.source ? this.source.slice(...node.at) : "a schedule";
		this.passOver([null, "IfStatement", text], scope);
		return null;
	}

	assign(target, value, scope) {
		if (target[0] === "attribute") scope.names.set(unparse(target), value);
		else super.assign(target, value, scope);
	}

	/** Read past a loop or a function, unless a schedule is made in it. */
	passOver([, kind, text], scope) {
		const names = text.match(/[A-Za-z_]\w*(?=\s*\()/g) ?? [];
		const inside = names.find((name) => Object.hasOwn(this.data.rows, name) || this.data.refused.includes(name) || name === "LambdaLR");
		const makes = inside ?? (/LearningRateSchedule|LRScheduler/.test(text) ? "a class of schedules" : null);
		if (makes) throw new Refused(`${makes} stands inside of a ${words(kind)}: ${PYTHON_ONLY}`);
		// What it sets is no longer known.
		for (const [, name] of text.matchAll(/(?:^|\n)\s*([A-Za-z_]\w*)\s*=[^=]/g)) scope.names.set(name, new Open([name]));
	}

	bind(target, value) {
		if (target[0] === "list") {
			const values = Array.isArray(value) && value.length === target[1].length ? value : null;
			target[1].forEach((each, i) => {
				const open = value instanceof Made && i === 0 ? value : this.open(each);
				this.bind(each, values ? values[i] : open);
			});
		} else if (target[0] === "star") this.bind(target[1], this.open(target[1]));
		else this.top.names.set(unparse(target), value);
	}

	// Expressions

	open(node) {
		return new Open([node.at && !this.moved ? this.source.slice(...node.at) : unparse(node)]);
	}

	value(node, scope) {
		const known = this.given(node);
		if (known !== undefined) return known;
		return super.value(node, scope);
	}

	given(node) {
		if (!this.values.size || !["name", "attribute", "subscript", "call"].includes(node[0])) return undefined;
		return this.values.get(unparse(node)) ?? this.values.get(node.at ? this.source.slice(...node.at) : "");
	}

	name(node, scope) {
		const found = scope.find(node[1]);
		return found === undefined ? this.open(node) : found;
	}

	other(node) {
		return this.open(node);
	}

	attribute(node, scope) {
		const found = scope.find(unparse(node));
		if (found !== undefined) return found;
		const [, owner, name] = node;
		if (unparse(owner).endsWith("SchedulerType")) return name.toLowerCase();
		const value = this.value(owner, scope);
		if (value instanceof Map && value.has(name)) return value.get(name);
		if (name === "pi" && owner[0] === "name") return Math.PI;
		return this.open(node);
	}

	subscript(node, scope) {
		const found = scope.find(unparse(node));
		if (found !== undefined) return found;
		const owner = this.value(node[1], scope);
		const key = this.value(node[2], scope);
		if (owner instanceof Map && owner.has(key)) return owner.get(key);
		if (Array.isArray(owner) && Number.isInteger(key) && owner.at(key) !== undefined) return owner.at(key);
		return this.open(node);
	}

	call(node, scope) {
		const callee = node[1];
		const name = unparse(callee).split(".").pop();
		const own = callee[0] === "name" ? scope.find(name) : undefined;
		if (own !== undefined && (typeof own === "function" || own instanceof Made)) return this.applied(own, node, scope);
		if (Object.hasOwn(this.data.rows, name)) return this.keep(this.ofRow(name, node, scope));
		if (unparse(callee) === `lrlib.${name}` && Object.hasOwn(this.data.definitions, name)) {
			return this.keep(this.ofOurs(name, node, scope));
		}
		if (this.idle.includes(name)) return this.open(node);
		if (this.data.refused.includes(name)) throw new Refused(`${name} follows results: what it does isn't in the text`);
		if (name === "LambdaLR" || name === "MultiplicativeLR") return this.keep(this.ofLambda(name, node, scope));
		if (name === "LearningRateScheduler") return this.ofCallback(node, scope);
		if (name.endsWith("TrainingArguments") || node[3].some(([key]) => key === "lr_scheduler_type")) {
			throw new Refused(`${name} makes its schedule from settings: ${PYTHON_ONLY}`);
		}
		if (this.isOptimizer(name, node)) return this.ofOptimizer(name, node, scope);
		if ((LOOKS.test(name) || FACTORY.test(name)) && !HARMLESS.includes(name) && !/config/i.test(name)) this.refused.push(name);
		return this.ofFunction(name, node, scope);
	}

	/** What a call of lrlib makes: the book's schedules are written so. */
	ofOurs(name, node, scope) {
		const { positional, named } = this.arguments(node, scope);
		const values = [...positional, ...named.values()];
		const parts = values.flatMap(partsOf);
		for (const part of parts) part.used = true;
		const texts = [...new Set([...values.flatMap(unknowns), ...parts.flatMap((part) => part.missing)])];
		if (texts.length) return new Made(null, texts, null, name);
		const given = new Named([...named].map(([key, value]) => [key, plain(value)]));
		return new Made(this.library.make(name)(...positional.map(plain), given), [], null, name);
	}

	/** The value of a function of the text, or of a schedule at a step. */
	applied(own, node, scope) {
		const { positional, named } = this.arguments(node, scope);
		if (typeof own === "function") {
			const given = new Named();
			for (const [key, value] of named) given.set(key, value);
			return own(...positional, given);
		}
		own.used = true;
		const open = allOpen([positional[0], own.missing.length ? new Open(own.missing) : 0]);
		return open ?? settled(own.schedule).at(positional[0]);
	}

	ofFunction(name, node, scope) {
		const { positional, named } = this.arguments(node, scope);
		if (name === "dict" && !positional.length) return named;
		const f = FUNCTIONS.get(name);
		const owner = node[1][0] === "attribute" ? unparse(node[1][1]) : "";
		if (!f || !/^(|math|np|numpy|tf|tf\.math|jnp|torch|keras\.ops|ops)$/.test(owner)) return this.open(node);
		if (name === "len" && !Array.isArray(positional[0])) return this.open(node);
		const open = allOpen(CONVERSIONS.includes(name) ? positional.slice(0, 1) : positional);
		if (open) return open;
		const value = f(...positional);
		return value === undefined ? this.open(node) : value;
	}

	operation(node, scope) {
		const [, sign, , right] = node;
		const zero = right && ["/", "//", "%"].includes(sign) && this.value(right, scope) === 0;
		if (zero) throw new Refused(`division by zero: ${unparse(node)}`);
		return super.operation(node, scope);
	}

	arguments(node, scope) {
		const positional = [];
		for (const each of node[2]) {
			const value = this.value(each, scope);
			if (each[0] === "star" && Array.isArray(value)) positional.push(...value);
			else positional.push(value);
		}
		const named = new Map();
		for (const [key, each] of node[3]) {
			const value = this.value(each, scope);
			if (key === null) {
				if (value instanceof Map) for (const [k, v] of value) named.set(k, v);
			} else if (named.has(key)) throw new Refused(`${key} is given twice`);
			else named.set(key, value);
		}
		return { positional, named };
	}

	// Functions of the step

	ofStep(f, name) {
		let value = f(new Tree("t"));
		if (Array.isArray(value) && value.length === 1) value = value[0];
		if (isNumber(value) || value instanceof Open || value instanceof Tree) return value;
		throw new Refused(`${name} returns no rate that has a formula: ${PYTHON_ONLY}`);
	}

	ofLambda(name, node, scope) {
		const call = { node, ...this.arguments(node, scope) };
		const optimizer = this.optimizerOf(call, 0);
		let f = call.named.get("lr_lambda") ?? call.positional[0];
		if (Array.isArray(f) && f.length === 1) f = f[0];
		if (typeof f !== "function") throw new Refused(`${name} takes a function, which isn't in the text`);
		const [lr, factor] = [this.rateOf(optimizer, name), this.ofStep(f, name)];
		const open = allOpen([lr, factor]);
		if (open) return new Made(null, open.texts, optimizer, name);
		if (name === "MultiplicativeLR" && factor instanceof Tree) throw new Refused(`MultiplicativeLR with a factor that changes: ${PYTHON_ONLY}`);
		const rate = name === "MultiplicativeLR" ? operate("**", factor, new Tree("t")) : factor;
		return new Made(byFormula(operate("*", lr, rate)), [], optimizer, name);
	}

	ofCallback(node, scope) {
		const { positional, named } = this.arguments(node, scope);
		const f = named.get("schedule") ?? positional[0];
		if (typeof f !== "function") throw new Refused("LearningRateScheduler takes a function, which isn't in the text");
		return this.keep(this.ofOwnFunction(f, "the function"));
	}

	ofOwnFunction(f, name) {
		if (f.takes !== 1) throw new Refused(`${name} takes the rate before: ${PYTHON_ONLY}`);
		const value = this.ofStep(f, name);
		if (value instanceof Open) return new Made(null, value.texts, null, name);
		return new Made(byFormula(value), [], null, name);
	}

	keep(made) {
		this.made.push(made);
		return made;
	}

	// Schedules

	ofRow(name, node, scope) {
		const row = this.data.rows[name];
		const call = { node, ...this.arguments(node, scope) };
		let optimizer = null;
		if (["pytorch", "transformers", "timm"].includes(row.library)) {
			optimizer = this.optimizerOf(call, name === "get_scheduler" ? 1 : 0);
		}
		const given = this.bindArguments(name, row, call);
		const needed = row.uses.filter((key) => given.has(key)).map((key) => given.get(key));
		let lr = null;
		if (row.uses.includes("lr")) {
			lr = this.rateOf(optimizer, name);
			needed.push(lr);
		}
		const parts = needed.flatMap(partsOf);
		for (const part of parts) part.used = true;
		const texts = [...new Set([...needed.flatMap(unknowns), ...parts.flatMap((part) => part.missing)])];
		if (texts.length) return new Made(null, texts, optimizer, name);
		const plainly = new Map([...given].map(([key, value]) => [key, plain(value)]));
		return new Made(this.meaning(name, row, plainly, lr), [], optimizer, name);
	}

	bindArguments(name, row, { positional, named }) {
		if (positional.length > row.parameters.length) throw new Refused(`${name}: too many arguments`);
		const given = new Map();
		row.parameters.forEach(([key], i) => {
			if (i < positional.length) {
				if (named.has(key)) throw new Refused(`${name}: ${key} is given twice`);
				given.set(key, positional[i]);
			} else if (named.has(key)) given.set(key, named.get(key));
		});
		const unknown = [...named.keys()].find((key) => !row.parameters.some(([each]) => each === key));
		if (unknown !== undefined) throw new Refused(`${name}: there's no argument ${unknown}`);
		const lacking = row.parameters.find(([key, , optional]) => !optional && !given.has(key));
		if (lacking) throw new Refused(`${name}: ${lacking[0]} is missing`);
		return given;
	}

	meaning(name, row, given, lr) {
		const scope = new Scope(null, (key) => (Object.hasOwn(row.calls, key) ? this.library.reference(row.calls[key]) : this.library.builtin(key)));
		if (row.uses.includes("by_type")) return this.byType(lr, given);
		if (row.python_only) throw new Refused(`${name}: ${PYTHON_ONLY}`);
		for (const [key, fallback] of row.parameters) scope.names.set(key, given.has(key) ? given.get(key) : fallback);
		if (![-1, undefined].includes(scope.names.get("last_epoch"))) throw new Refused("last_epoch: only a whole schedule can be read");
		scope.names.set("parameters", new Map(scope.names));
		scope.names.set("lr", lr);
		try {
			for (const [condition, sentence] of row.needed) {
				if (!new Evaluator(this.library).value(condition, scope)) throw new Refused(sentence);
			}
			const made = new Evaluator(this.library).value(row.meaning, scope);
			if (made instanceof Schedule || made instanceof Wave) return made;
		} catch (error) {
			if (!(error instanceof Refused)) throw new Refused(`${name}: its arguments make no schedule`);
			throw new Refused(error.message.startsWith(name) ? error.message : `${name}: ${error.message}`);
		}
		throw new Refused(`${name}: its arguments make no schedule`);
	}

	byType(lr, given) {
		const type = given.get("name");
		const name = typeof type === "string" && Object.hasOwn(this.data.types, type) ? this.data.types[type] : null;
		if (!name) throw new Refused(`get_scheduler(${shown(type)}) isn't read here`);
		const row = this.data.rows[name];
		const used = new Map(given.get("scheduler_specific_kwargs") ?? []);
		for (const key of ["num_warmup_steps", "num_training_steps"]) {
			const value = given.get(key);
			if (value !== undefined && value !== null && row.parameters.some(([each]) => each === key)) used.set(key, value);
		}
		return this.meaning(name, row, this.bindArguments(name, row, { positional: [], named: used }), lr);
	}

	optimizerOf(call, place) {
		if (call.named.has("optimizer")) {
			const value = call.named.get("optimizer");
			call.named.delete("optimizer");
			return value;
		}
		if (call.positional.length <= place) return null;
		const [value, node] = [call.positional[place], call.node[2][place]];
		const named = ["name", "attribute", "subscript"].includes(node?.[0]);
		let isOne = value instanceof Optimizer;
		if (named && value instanceof Open) isOne = !this.short() || OPTIMIZER.test(unparse(node));
		if (named && isNumber(value) && this.given(node) !== undefined) isOne = !this.short();
		return isOne ? call.positional.splice(place, 1)[0] : null;
	}

	short() {
		return this.alone || this.rate !== null;
	}

	rateOf(optimizer, name) {
		if (optimizer instanceof Optimizer) return optimizer.rate();
		if (this.rate !== null) return this.rate;
		if (optimizer instanceof Open && !this.alone) return optimizer;
		if (isNumber(optimizer)) return optimizer;
		if (this.optimizers.length === 1) return this.optimizers[0].rate();
		throw new Refused(`${name} multiplies the optimizer's rate: add it, as in “${name}(…), lr=0.1”`);
	}

	// Optimizers

	isOptimizer(name, node) {
		const { optimizers, optax } = this.data;
		if (Object.hasOwn(optimizers.torch, name) || Object.hasOwn(optimizers.keras, name) || optax.includes(name)) return true;
		const weights = node[2].some((each) => unparse(each).includes("param"));
		const made = (/^[A-Z]/.test(name) && weights) || name === "create_optimizer_v2";
		return made && node[3].some(([key]) => key === "lr");
	}

	ofOptimizer(name, node, scope) {
		const { positional, named } = this.arguments(node, scope);
		const code = unparse(node[1]);
		const weights = positional.length ? positional[0] : null;
		const { optimizers, optax } = this.data;
		const first = weights instanceof Made || typeof weights === "function" || isNumber(weights);
		const theirs = code.includes("keras") || code.includes("optax") || code.startsWith("tf.") || optax.includes(name) || named.has("learning_rate") || first;
		const own = (table) => (Object.hasOwn(table, name) ? table[name] : null);
		let rate;
		let groups = null;
		if (theirs || (!positional.length && !named.has("params") && !named.has("lr"))) {
			rate = named.get("learning_rate") ?? named.get("lr") ?? weights ?? own(optimizers.keras) ?? new Open([`${code}()`]);
		} else {
			rate = named.get("lr") ?? positional[1] ?? own(optimizers.torch);
			groups = named.get("params") ?? weights;
		}
		if (rate === null) return this.open(node);
		if (typeof rate === "function") rate = this.keep(this.ofOwnFunction(rate, "the function"));
		if (rate instanceof Made) {
			rate.trains = true;
			return this.open(node);
		}
		let rates = [rate];
		if (Array.isArray(groups) && groups[0] instanceof Map) rates = groups.map((group) => group.get?.("lr") ?? rate);
		const made = new Optimizer(rates, code);
		this.optimizers.push(made);
		return made;
	}

	functions() {
		return [...this.top.names].filter(([, value]) => typeof value === "function");
	}

	/** The schedule of the only function of the step. */
	functionOfStep() {
		if (this.made.some((made) => made.used) || this.optimizers.some(({ name }) => name.split(".")[0] !== "keras")) return null;
		const found = [];
		for (const [name, f] of this.functions()) {
			const before = [this.made.length, this.optimizers.length];
			try {
				found.push(this.ofOwnFunction(f, name));
			} catch (error) {
				if (!(error instanceof Refused)) throw error;
				// It makes a schedule, perhaps, but is none.
				[this.made.length, this.optimizers.length] = before;
			}
		}
		if (found.length > 1) throw new Refused("the text has several functions of the step: keep one of them");
		return found[0] ?? null;
	}

	/** What a function of the text makes that the text doesn't call. */
	uncalled() {
		for (const [, f] of this.functions()) f(...f.parameters.map((name) => new Open([name])));
		const free = this.made.filter((made) => !made.used);
		if (free.length > 1) throw new Refused("the functions of the text make several schedules: keep one of them");
		return free[0] ?? null;
	}

	// What is used in the end

	finish(value) {
		if (this.refused.length) throw new Refused(`${this.refused[0]} isn't a schedule that this page knows`);
		const free = this.made.filter((made) => !made.used);
		const chosen = free.filter((made) => made.trains || made.optimizer !== null);
		const ends = chosen.length ? chosen : free;
		if (ends.length > 1) {
			const curves = new Set(ends.map((made) => fingerprint(made)));
			const names = [...new Set(ends.map((made) => made.name))].join(" and ");
			if (curves.size > 1) throw new Refused(`the text has several schedules, ${names}: keep one of them`);
		}
		if (ends.length) return { made: ends[0], missing: ends[0].missing, schedule: ends[0].schedule };
		if (value instanceof Made) return { made: value, missing: value.missing, schedule: value.schedule };
		const own = this.functionOfStep() ?? this.uncalled();
		if (own) return { made: own, missing: own.missing, schedule: own.schedule };
		const [only] = this.optimizers;
		if (this.optimizers.length === 1 && (isNumber(only.rate()) || only.rate() instanceof Open)) {
			const rate = only.rate();
			const missing = rate instanceof Open ? rate.texts : [];
			const schedule = missing.length ? null : this.library.make("constant")(rate);
			return { made: null, missing, schedule };
		}
		const two = this.functions().find(([, f]) => f.takes === 2);
		if (two) throw new Refused(`${two[0]} takes the rate before: ${PYTHON_ONLY}`);
		if (this.settings) throw new Refused(`a dictionary of settings: ${PYTHON_ONLY}`);
		throw new Refused("there's no schedule in the text that this page knows: paste one call, or the lines around it");
	}
}

const byFormula = (rate) => new Schedule("by_formula", {}, (t) => moved(rate, t));
const words = (kind) => kind.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();

function fingerprint({ schedule, missing }) {
	if (!schedule) return missing.join();
	const rate = settled(schedule).sampler();
	return [0, 1, 7, 50, 333, 2500, 20_000].map(rate).join();
}

function partsOf(value) {
	if (value instanceof Made) return [value];
	return Array.isArray(value) ? value.flatMap(partsOf) : [];
}

function plain(value) {
	if (value instanceof Made) return value.schedule;
	return Array.isArray(value) ? value.map(plain) : value;
}

// What a text says beyond its curve

function factsOf(statements, data, source) {
	const calls = new Map();
	const constants = new Map();
	let [unsorted, ours] = [null, false];
	const walk = (node) => {
		if (!Array.isArray(node)) return;
		if (node[0] === "call") {
			const name = unparse(node[1]);
			if (name.startsWith("lrlib.")) ours = true;
			calls.set(name.split(".").pop(), node);
		}
		if (node[0] === "=" && node[1][0] === "name") constants.set(node[1][1], node[2]);
		node.forEach(walk);
	};
	walk(statements);
	const call = { integer: 0, idle_warmup: 0, unsorted: 0, keras: 0, alpha: 0, asks: 0 };
	const where = {};
	for (const [name, node] of calls) {
		const row = Object.hasOwn(data.rows, name) ? data.rows[name] : null;
		if (!row) continue;
		const given = new Map();
		row.parameters.forEach(([key], i) => i < node[2].length && given.set(key, node[2][i]));
		for (const [key, value] of node[3]) given.set(key, value);
		if (row.library === "keras") kerasFacts(name, given, constants, call);
		if (name === "PiecewiseConstantDecay") unsorted = summed(given, constants);
		where[name] = { given, node, library: row.library };
	}
	const [only, another] = Object.keys(where);
	if (only === "CosineAnnealingLR" && !another) call.should_fall = 1;
	call.unsorted = +(unsorted !== null);
	return { call, unsorted, unit: ours ? "update" : unitOf(calls, data, statements, source), where, constants, troubles: troublesOf(calls, constants, data, statements) };
}

const literal = (node, constants) => {
	const found = node?.[0] === "name" ? constants.get(node[1]) : node;
	return found?.[0] === "constant" ? found : null;
};

function kerasFacts(name, given, constants, call) {
	call.keras = 1;
	const first = literal(given.get("initial_learning_rate"), constants);
	call.integer = +Boolean(first?.whole && first[1] !== 0);
	const alpha = literal(given.get("alpha"), constants);
	call.alpha = isNumber(alpha?.[1]) ? alpha[1] : 0;
	const target = given.get("warmup_target");
	const none = !target || (target[0] === "constant" && target[1] === null);
	call.idle_warmup = +(given.has("warmup_steps") && none);
}

/** What Keras makes of unsorted boundaries: it adds up all that holds. */
function summed(given, constants) {
	const numbers = (node) => {
		const found = node?.[0] === "name" ? constants.get(node[1]) : node;
		const listed = found?.[0] === "list" ? found[1].map((each) => each[1]) : null;
		return listed?.every(isNumber) ? listed : null;
	};
	const [boundaries, values] = [numbers(given.get("boundaries")), numbers(given.get("values"))];
	if (!boundaries || values?.length !== boundaries.length + 1) return null;
	if (!boundaries.some((b, i) => i && b < boundaries[i - 1])) return null;
	const last = boundaries.length - 1;
	const holds = boundaries.map((b, i) => (i ? ["And", ["StrictGreaterThan", "t", boundaries[i - 1]], ["LessThan", "t", b]] : ["LessThan", "t", b]));
	holds.push(["StrictGreaterThan", "t", boundaries[last]]);
	const parts = holds.map((condition, i) => ["Piecewise", ["case", values[i], condition], ["case", 0, true]]);
	return byFormula(new Tree(["Add", ...parts]));
}

/** Keras's callbacks that can't set the rate of a schedule, and when they try to. */
const FAILS = { LearningRateScheduler: "in epoch 1", ReduceLROnPlateau: "when it first cuts" };

function troublesOf(calls, constants, data, statements) {
	const found = [];
	const string = stringOptimizer(calls);
	if (string) found.push(["LR124", { "string!r": `'${string}'` }]);
	const name = tensorFunction(calls, statements);
	if (name) found.push(["LR120", { name, value: "a tensor" }]);
	const callback = settingCallback(calls, constants, data);
	if (callback) found.push(["LR104", { callback, when: FAILS[callback] }]);
	return found;
}

/** The function for LearningRateScheduler that returns a tensor. */
function tensorFunction(calls, statements) {
	const wanted = (calls.get("LearningRateScheduler")?.[2] ?? []).map(unparse);
	const isTensor = (node) => {
		if (node?.[0] === "operation") return node.slice(2).some(isTensor);
		return node?.[0] === "call" && /^(tf|ops|keras\.ops|jnp)\./.test(unparse(node[1]));
	};
	const returns = (node) => Array.isArray(node) && (node[0] === "return" ? isTensor(node[1]) : node.some(returns));
	const find = (node) => {
		if (!Array.isArray(node)) return null;
		if (node[0] === "def" && wanted.includes(node[1]) && returns(node[3])) return node[1];
		return node.reduce((found, each) => found ?? find(each), null);
	};
	return find(statements);
}

/** The callback for fit that can't set the rate of Keras's schedule. */
function settingCallback(calls, constants, data) {
	const meant = (node) => (node?.[0] === "name" ? constants.get(node[1]) : node);
	const isCall = (node, among) => {
		const call = meant(node);
		return call?.[0] === "call" && among.includes(unparse(call[1]).split(".").pop());
	};
	const named = (node, key) => node?.[3].find(([name]) => name === key)?.[1];
	const rows = [...calls.keys()].filter((name) => Object.hasOwn(data.rows, name));
	const optimizers = [...calls].filter(([name]) => KERAS.test(name));
	if (rows.some((name) => data.rows[name].library !== "keras") || optimizers.length !== 1) return null;
	const [, optimizer] = optimizers[0];
	if (!isCall(named(optimizer, "learning_rate") ?? optimizer[2][0], rows)) return null;
	const callbacks = meant(named(calls.get("fit"), "callbacks"));
	const listed = callbacks?.[0] === "list" ? callbacks[1] : [callbacks];
	return Object.keys(FAILS).find((name) => listed.some((each) => isCall(each, [name]))) ?? null;
}

function stringOptimizer(calls) {
	const compiled = calls.get("compile");
	if (!compiled || ![...calls.keys()].some((name) => KERAS.test(name))) return "";
	const node = compiled[3].find(([key]) => key === "optimizer")?.[1] ?? compiled[2][0];
	return node?.[0] === "constant" && typeof node[1] === "string" ? node[1] : "";
}

function unitOf(calls, data, statements, source) {
	const names = [...calls.keys()];
	const libraries = new Set(names.filter((name) => Object.hasOwn(data.rows, name)).map((name) => data.rows[name].library));
	const any = (...wanted) => wanted.some((name) => names.includes(name));
	if (libraries.has("keras") || libraries.has("optax")) return "update";
	if (any("LearningRateScheduler")) return "epoch";
	if (libraries.has("timm")) return timmUnit(calls);
	if (libraries.size || any("LambdaLR", "MultiplicativeLR")) {
		const usual = any("CyclicLR", "OneCycleLR") || libraries.has("transformers");
		return steppedUnit(statements, source) ?? lightningUnit(statements) ?? (usual ? "update" : null);
	}
	return names.some((name) => KERAS.test(name)) ? "update" : functionUnit(statements);
}

/** The unit as Lightning counts: epochs, unless an interval says steps. */
function lightningUnit(statements) {
	let said = null;
	const visit = (node) => {
		if (!Array.isArray(node)) return;
		if (node[0] === "def" && node[1] === "configure_optimizers") said ??= "epoch";
		if (node[0] === "dict") {
			const i = node[1].findIndex((key) => key?.[1] === "interval");
			const word = i < 0 ? null : node[2][i][1];
			if (word === "step" || word === "epoch") said = word === "step" ? "update" : word;
		}
		node.forEach(visit);
	};
	visit(statements);
	return said;
}

/** The unit, by what a function calls its argument. */
function functionUnit(statements) {
	const level = [statements];
	while (level.length) {
		const node = level.shift();
		if (!Array.isArray(node)) continue;
		const list = node[0] === "def" ? node[2] : node[0] === "lambda" ? node[1] : null;
		const names = list ? list[0].map(([name]) => name) : [];
		if (names.some((name) => ["epoch", "e", "ep"].includes(name))) return "epoch";
		if (names.some((name) => ["step", "t", "count", "iteration", "global_step"].includes(name))) return "update";
		level.push(...node);
	}
	return null;
}

function timmUnit(calls) {
	for (const node of calls.values()) {
		for (const [key, value] of node[3]) {
			if ((key === "t_in_epochs" || key === "step_on_epochs") && value[0] === "constant") return value[1] ? "epoch" : "update";
		}
	}
	return "epoch";
}

/** The unit, by where scheduler.step() stands in the loops. */
function steppedUnit(statements, source) {
	const visit = (node, loops) => {
		if (node.name === "ForStatement" || node.name === "WhileStatement") loops = [...loops, node];
		if (node.name === "CallExpression" && loops.length) {
			const callee = source.slice(node.firstChild.from, node.firstChild.to);
			const [, owner] = /^([^]*)\.(?:step|step_update)$/.exec(callee) ?? [];
			if (owner !== undefined && SCHEDULER.test(owner)) return loopUnit(loops, source);
		}
		for (let child = node.firstChild; child; child = child.nextSibling) {
			const found = visit(child, loops);
			if (found) return found;
		}
		return null;
	};
	for (const each of statements) {
		const found = each.source && visit(each.source, []);
		if (found) return found;
	}
	return null;
}

function loopUnit(loops, source) {
	const inner = loops[loops.length - 1];
	if (loops.length > 1 || inner.name === "WhileStatement") return "update";
	let nested = false;
	inner.cursor().iterate((node) => {
		if (node.name === "ForStatement" && node.from !== inner.from) nested = true;
	});
	const target = source.slice(inner.from, inner.to).split(/\bin\b/)[0];
	return nested || target.includes("epoch") ? "epoch" : "update";
}
