// Axes with round ticks.

export function roundStep(size) {
	const power = 10 ** Math.floor(Math.log10(size));
	return [1, 2, 5, 10].find((digit) => digit * power >= size * 0.999) * power;
}

export function ticksBetween(low, high, wanted) {
	const step = roundStep((high - low) / wanted);
	const ticks = [];
	for (let k = Math.ceil(low / step - 1e-9); k * step <= high * (1 + 1e-9); k++) {
		ticks.push(+(k * step).toPrecision(12));
	}
	return ticks;
}

export function linearAxis(low, high) {
	const [from, top] = [Math.min(0, low), Math.max(0, high)];
	const to = from + (top - from || 1) * 1.06;
	return {
		share: (value) => (value - from) / (to - from),
		ticks: ticksBetween(from, to, 4),
	};
}

export function logAxis(low, high) {
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
