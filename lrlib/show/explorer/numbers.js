// Numbers as text, and what the reader types as numbers.

/** A number as Python's repr writes it. */
export function python(value, whole) {
	if (whole) return `${BigInt(value)}`;
	const [digits, exponent] = value.toExponential().split("e");
	if (+exponent < -4 || +exponent > 15) {
		return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
	}
	return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

export function short(value, digits = 3, smallest = 1e-3) {
	if (typeof value !== "number") return `${value}`;
	if (!Number.isFinite(value)) return value === Infinity ? "∞" : "none";
	const rounded = +value.toPrecision(digits);
	const size = Math.abs(rounded);
	if (rounded === 0 || (size >= smallest && size < 1e5)) return `${rounded}`;
	return rounded.toExponential().replace("+", "");
}

export const tick = (value) => short(value, 3, 0.01);
const grouped = new Intl.NumberFormat("en");
export const count = (value) => grouped.format(value);

/** What the reader typed as a value of that control; undefined if it is none. */
export function read(control, text) {
	if (control.options) return control.options.find((option) => `${option}` === text);
	if (!/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text)) return undefined;
	const value = Number(text);
	const { above, below, whole } = control;
	const [low, high] = [control.low ?? -Infinity, control.high ?? Infinity];
	const fits =
		(above ? value > low : value >= low) &&
		(below ? value < high : value <= high) &&
		!(low < value && value < low + control.gap) &&
		(whole ? Number.isSafeInteger(value) : Number.isFinite(value));
	return fits ? value : undefined;
}
