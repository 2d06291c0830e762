// What paired runs say of two curves, in one sentence.

/** Fewer seeds give no verdict. */
export const LEAST_SEEDS = 5;

/** The 97.5 % quantiles of Student's t for 4, 5, ..., 15 degrees of freedom. */
export const QUANTILES = [
	2.7764451052, 2.5705818356, 2.4469118511, 2.3646242516, 2.3060041352, 2.2621571628,
	2.2281388520, 2.2009851601, 2.1788128297, 2.1603686565, 2.1447866879, 2.1314495456,
];

/** The mean of paired differences and its 95 % t interval. */
export function paired(ours, theirs) {
	const n = ours.length;
	const differences = ours.map((value, i) => value - theirs[i]);
	const mean = differences.reduce((a, b) => a + b) / n;
	const square = differences.reduce((sum, d) => sum + (d - mean) ** 2, 0);
	const half = QUANTILES[n - LEAST_SEEDS] * Math.sqrt(square / (n - 1) / n);
	return { mean, low: mean - half, high: mean + half };
}

/** Numbers with as many decimals as keep an end that isn't 0 from being shown as 0. */
function written(numbers, decimals, signed) {
	const rounds = (d) => numbers.some((x) => x && !+x.toFixed(d));
	while (decimals < 5 && rounds(decimals)) decimals++;
	return numbers.map((x) => {
		const sign = x < 0 ? "−" : signed && x > 0 ? "+" : "";
		return sign + Math.abs(x).toFixed(decimals);
	});
}

/** How far apart, in words: clear of 0, or not shown. */
function compare({ mean, low, high }, decimals, unit, better, worse, seeds) {
	if (low > 0 || high < 0) {
		const sizes = low > 0 ? [mean, low, high] : [-mean, -high, -low];
		const [size, from, to] = written(sizes, decimals);
		const words = low > 0 ? better : worse;
		return { clear: true, text: `${size}${unit} ${words}`, range: `${from} to ${to}${seeds}` };
	}
	const [from, to] = written([low, high], decimals, true);
	return { clear: false, range: `${from} to ${to}${unit}` };
}

/**
 * The sentence on two curves, `{ name, runs }` each, with the outcome of every seed in
 * `runs`. Only what is clear of 0 is called a difference.
 */
export function sentence(ours, theirs) {
	const seeds = ours.runs.length;
	if (seeds < LEAST_SEEDS) return `No verdict from fewer than ${LEAST_SEEDS} seeds.`;
	const both = (read) => paired(ours.runs.map(read), theirs.runs.map(read));
	const accuracy = compare(
		both(({ test }) => 100 * test.accuracy), 1, " points", "better than", "worse than",
		`, ${seeds} seeds`,
	);
	const first = accuracy.clear
		? `${ours.name} ends ${accuracy.text} ${theirs.name} (${accuracy.range})`
		: `${seeds} seeds don't show a difference between ${ours.name} and ${theirs.name} ` +
			`in accuracy (${accuracy.range})`;
	const lost = [ours, theirs].flatMap(({ name, runs }) => {
		const k = runs.filter(({ diverged }) => diverged !== null).length;
		return k ? `${k} of ${seeds} runs of ${name} diverged` : [];
	});
	if (lost.length) return `${first}; ${lost.join(", ")}.`;
	const loss = compare(both(({ test }) => test.loss), 2, "", "higher", "lower", "");
	if (loss.clear) return `${first}; the test loss of ${ours.name} is ${loss.text} (${loss.range}).`;
	if (!accuracy.clear) return `${first} nor in test loss (${loss.range}).`;
	return `${first}; the test loss doesn't show a difference (${loss.range}).`;
}
