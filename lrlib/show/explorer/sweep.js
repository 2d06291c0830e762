// Which peak suits each shape: all shapes trained over the same grid of peaks.

import { logAxis } from "./axes.js";
import { BandChart, across } from "./bands.js";
import { h, show } from "./elements.js";
import { short, tick } from "./numbers.js";

export const SWEEP_SEEDS = 4;
const POINTS = 9;
/** The lowest and the highest peak, two decades apart. */
const HIGHEST = { SGD: 5, "SGD with momentum": 1, Adam: 0.1, AdamW: 0.1 };

export const peaksOf = (optimizer) =>
	Array.from({ length: POINTS }, (_, i) =>
		+(HIGHEST[optimizer] * 10 ** ((i - POINTS + 1) / 4)).toPrecision(2),
	);

export class Sweep {
	constructor() {
		this.chart = new BandChart("final validation loss by peak rate");
		this.said = h("p", { class: "said", "aria-live": "polite" });
		this.progress = h("p", { class: "pending" });
		this.key = null;
	}

	/** What there is to train: a job for each shape, peak and seed. */
	*jobs(curves, { optimizer, batch_size, clip }) {
		this.peaks = peaksOf(optimizer);
		this.rows = curves.map((curve) => ({ ...curve, found: this.peaks.map(() => []) }));
		this.total = 0;
		this.done = 0;
		for (const row of this.rows) {
			const peak = Math.max(...row.rates);
			if (!(peak > 0)) continue;
			for (const [i, wanted] of this.peaks.entries()) {
				const rates = row.rates.map((rate) => (rate * wanted) / peak);
				for (let seed = 1; seed <= SWEEP_SEEDS; seed++) {
					this.total++;
					const job = { rates, optimizer, batchSize: batch_size, seed, clip };
					yield [{ ...job, plateau: row.plateau }, (run) => this.take(row, i, run)];
				}
			}
		}
	}

	take(row, i, { checks, outcome }) {
		if (!outcome) return;
		row.found[i].push(checks.at(-1).loss);
		this.done++;
	}

	get ended() {
		return this.key !== null && this.done === this.total;
	}

	draw(layout, named) {
		show(this.chart.svg, this.key !== null);
		const drawn = this.key && JSON.stringify([this.key, this.done, layout, named]);
		if (drawn === this.drawn) return;
		this.drawn = drawn;
		if (this.key === null) return;
		const curves = this.rows.map(({ name, kind, found }) => {
			const reached = found.filter((losses) => losses.length === SWEEP_SEEDS).length;
			const whole = found.slice(0, reached);
			const bands = whole.map((losses) => across(losses.map((loss) => [loss])));
			const read = (part) => {
				const values = bands.map((band) => band[part][0]);
				return [...values, ...Array(POINTS - reached).fill(NaN)];
			};
			return {
				...{ name, kind, lost: [], end: Math.max(reached - 1, 0) },
				...{ values: read("middle"), low: read("low"), high: read("high") },
			};
		});
		const seen = curves.flatMap(({ values }) => values).filter((x) => x < 100);
		const low = seen.length ? Math.min(...seen) : 0.3;
		this.chart.layout({ ...layout, steps: POINTS - 1, perUnit: 1, unit: "peak rate" });
		const words = this.peaks.map((peak, i) => [i, tick(peak)]);
		const few = this.chart.width < 400 ? words.filter(([i]) => i % 2 === 0) : words;
		this.chart.xTicks = few.map(([i, text]) => [this.chart.left + this.chart.x(i), text]);
		this.chart.key = null;
		this.chart.draw(curves, logAxis(low, 3), named && seen.length > 0);
		show(this.chart.dot, false);
		this.best = this.ended ? curves.map((curve) => this.lowest(curve)) : [];
		const label = this.best.join("; ") || `${this.done} of ${this.total} runs`;
		this.chart.svg.setAttribute("aria-label", `Final validation loss by peak: ${label}`);
	}

	lowest({ name, values }) {
		const best = values.indexOf(Math.min(...values));
		const edge = best === 0 || best === POINTS - 1 ? ", at the edge of the grid" : "";
		return `${name} ${short(values[best], 2)} at a peak of ${tick(this.peaks[best])}${edge}`;
	}
}
