// Formulas, which come from Python as data, and what is computed with them.

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
