// A chart of trained runs: the median seed as a line, from the lowest to the highest as a
// band, and a cross where runs diverged.

import { Chart } from "./chart.js";
import { children, clamp, set, svg } from "./elements.js";

/** Values at `times` as one value a step, on straight lines between; NaN after the last. */
export function spread(times, values, steps, before) {
	const all = new Float64Array(steps + 1).fill(NaN);
	if (!values.length) return all;
	if (before) all.fill(values[0], 0, times[0]);
	all[times[0]] = values[0];
	for (let i = 1; i < values.length; i++) {
		const [from, to] = [times[i - 1], times[i]];
		for (let t = from + 1; t <= to; t++) {
			// What is infinite at one end is from there on.
			const share = (t - from) / (to - from);
			const value = values[i - 1] + (values[i] - values[i - 1]) * share;
			all[t] = Number.isNaN(value) ? values[i] : value;
		}
	}
	return all;
}

/** Lowest, median and highest of several runs, as far as the first of them has come. */
export function across(rows) {
	const longest = Math.max(...rows.map((row) => row.length));
	const [low, middle, high] = [[], [], []];
	for (let i = 0; i < longest; i++) {
		// A loss that isn't a number any more is above all numbers.
		const values = rows.filter((row) => i < row.length);
		const sorted = values.map((row) => (Number.isFinite(row[i]) ? row[i] : 1e300));
		sorted.sort((a, b) => a - b);
		const half = sorted.length >> 1;
		low.push(sorted[0]);
		high.push(sorted.at(-1));
		middle.push(sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2);
	}
	return { low, middle, high };
}

export class BandChart extends Chart {
	constructor(title) {
		super(title, false);
		// Runs report far less often.
		this.points = 200;
		this.lines.setAttribute("class", "runs");
		this.bands = svg("g", { class: "bands" });
		this.crosses = svg("g", { class: "crosses" });
		this.plot.prepend(this.bands);
		this.plot.append(this.crosses);
	}

	/** Until the next `draw` the current curve, or all of them, are of the past. */
	fade(all) {
		for (const part of [...this.lines.children, ...this.bands.children]) {
			if (all || part.classList.contains("current")) part.classList.add("stale");
		}
	}

	/** Curves have `values`, `low` and `high`, one a step, and `lost`, steps of diverging. */
	draw(curves, axis, named) {
		super.draw(curves, axis, named);
		const make = () => svg("path");
		children(this.bands, curves.length, make).forEach((band, i) => {
			const { low, high, kind, stale } = curves[i];
			const [upper, lower] = [this.path(high), this.path(low)];
			const back = lower.slice(1).split("L").reverse().join("L");
			set(band, { class: kind, d: upper && lower ? `${upper}L${back}Z` : "" });
			for (const part of [band, this.lines.children[i]]) {
				part.classList.toggle("stale", Boolean(stale));
			}
		});
		const lost = curves.flatMap(({ lost, kind }) => lost.map((step) => [step, kind]));
		children(this.crosses, lost.length, make).forEach((cross, i) => {
			const [step, kind] = lost[i];
			const x = clamp(this.x(step), 6, this.width - 6);
			set(cross, { class: kind, d: `M${x - 4} 4l8 8m0 -8l-8 8` });
		});
	}
}
