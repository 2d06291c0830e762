// Training under the sliders: which runs the curves on the chart still need, the workers
// that make them, what they look like so far, and the verdict once all are in.

import { logAxis, ticksBetween } from "./axes.js";
import { BandChart, across, spread } from "./bands.js";
import { bold, button, div, h, set, show, svg, write } from "./elements.js";
import { FACTOR, PIECES, checksOf, pieceStart } from "./plan.js";
import { Pool } from "./pool.js";
import { raceCode } from "./racing.js";
import { load } from "./source.js";
import { Sweep } from "./sweep.js";
import { LEAST_SEEDS, sentence } from "./verdict.js";

/** A moving slider is given this long to stop, so that not every notch trains. */
const PAUSE = 80; // ms
/** What the workers report is drawn as often as this, so that the reader's hand goes first. */
const BETWEEN = 80; // ms
const KEPT = 40; // curves

let pool = null;

const percent = (value) => `${value.toFixed(1)} %`;

/** Whether the reader's browser asks to save data. */
const saving = () =>
	navigator.connection?.saveData || matchMedia("(prefers-reduced-data: reduce)").matches;

export class Training {
	/** `host` is the explorer: its model, its state, and the controls it makes. */
	constructor(host) {
		this.host = host;
		this.runs = new Map(); // of each curve, by seed
		this.tickets = new Map();
		this.curves = [];
		this.asked = !saving();
		this.seen = false;
		this.sweep = new Sweep();
		this.drawnAt = 0;
		// What of each curve's runs is drawn, made anew when they have come further.
		this.made = { losses: new WeakMap(), checks: new WeakMap() };
		this.loss = new BandChart("training loss");
		this.accuracy = new BandChart("validation accuracy, %");
		this.watch = new IntersectionObserver((entries) => {
			if (entries.some((entry) => entry.isIntersecting)) this.show();
		});
		this.turn = () => (document.hidden ? this.rest() : this.plan());
		document.addEventListener("visibilitychange", this.turn);
		this.build();
	}

	build() {
		const { host } = this;
		const get = (path) => () => host.state.train[path];
		const put = (path) => (value) =>
			host.change({ train: { ...host.state.train, [path]: value } });
		// The sweep is a button.
		const settings = host.spec.train.filter(({ path }) => path !== "sweep");
		this.controls = settings.map((control) =>
			host.control(control, get(control.path), put(control.path)),
		);
		const { element, ...plateau } = host.control(
			host.spec.plateau,
			() => host.state.plateau,
			(value) => host.change({ plateau: value }),
		);
		this.controls.push({ element, ...plateau });
		this.score = h("p", { class: "score" });
		this.progress = h("p", { class: "pending" });
		this.said = h("p", { class: "verdict", "aria-live": "polite" });
		const sweep = () => put("sweep")(!host.state.train.sweep);
		const copy = () => host.copy(this.python(), "The Python code");
		this.startButton = button({ onclick: () => this.start() }, "Train");
		this.sweepButton = button({ onclick: sweep }, "Sweep peaks");
		this.copyButton = button({ onclick: copy }, "Copy as Python");
		this.report = div("report", this.score, this.said, this.progress);
		this.form = h(
			"fieldset",
			{ class: "trained" },
			h("legend", {}, "The network is trained with:"),
			div("settings", ...this.controls.map(({ element }) => element)),
			div("buttons", this.startButton, this.sweepButton, this.copyButton),
		);
		this.below = div("sweep", this.sweep.chart.svg, this.sweep.progress, this.sweep.said);
		this.watch.observe(this.loss.svg);
	}

	// What is to be trained

	/** The curves, as they are on the chart now; `problem` says why there is none. */
	update(curves) {
		const { train, view } = this.host.state;
		const { sweep, ...rest } = train;
		const settings = JSON.stringify([view.steps, rest]);
		const others = settings !== this.settings;
		if (others) this.runs.clear();
		if (this.runs.size > KEPT) this.runs.clear();
		const keyed = curves.map((curve) => {
			const { schedule, params, plateau } = curve;
			return { ...curve, key: JSON.stringify([schedule, params, plateau]) };
		});
		const key = JSON.stringify([settings, keyed.map((curve) => curve.key)]);
		if (key !== this.key) {
			this.rest();
			this.skip();
			for (const chart of [this.loss, this.accuracy]) chart.fade(others);
			this.problem = keyed.map((curve) => this.wrong(curve)).find(Boolean);
			this.failed = null;
			this.told = false;
			this.drawn = null;
			write(this.said, "");
			write(this.sweep.said, "");
			// A sweep of other curves is over.
			if (this.sweep.key !== null) {
				this.sweep.key = null;
				if (sweep) this.host.state = { ...this.host.state, train: { ...train, sweep: false } };
			}
		}
		Object.assign(this, { key, settings, curves: keyed, steps: view.steps });
		if (!this.host.state.train.sweep) this.sweep.key = null;
		for (const control of this.controls) control.refresh();
		clearTimeout(this.waiting);
		this.waiting = setTimeout(() => this.host.attempt(() => this.plan()), PAUSE);
	}

	/** Why a curve can't be trained with, or nothing. */
	wrong({ name, rates, schedule }) {
		const step = rates.subarray(0, -1).findIndex((rate) => !(rate >= 0 && rate < Infinity));
		if (step < 0) return "";
		const rate = rates[step];
		const what = rate < 0 ? "negative" : rate > 0 ? "infinite" : "not a number";
		return `Nothing trains: the rate of ${name ?? schedule} at step ${step} is ${what}.`;
	}

	get allowed() {
		return this.seen && this.asked && !document.hidden && !this.problem && !this.failed;
	}

	show() {
		this.seen = true;
		this.watch.disconnect();
		this.plan();
	}

	/** The reader asks for it. */
	start() {
		this.asked = true;
		this.failed = null;
		this.said.textContent = "";
		this.plan();
	}

	/** Ask for the runs that are missing: those of the current curve first. */
	plan() {
		if (this.allowed && this.curves.length) {
			const { optimizer, batch_size, clip, seeds } = this.host.state.train;
			[...this.curves].reverse().forEach((curve, i) => {
				const { key, rates, plateau } = curve;
				if (!this.runs.has(key)) this.runs.set(key, []);
				const runs = this.runs.get(key);
				for (let seed = 1; seed <= seeds; seed++) {
					if (runs[seed - 1]?.outcome) continue;
					const job = {
						...{ rates: rates.subarray(0, -1), plateau, optimizer, seed, clip },
						batchSize: batch_size,
					};
					this.ask(`${key} ${seed}`, job, 100 * i + seed, (run) => {
						runs[seed - 1] = run;
					});
				}
			});
			this.planSweep();
		}
		this.draw();
	}

	planSweep() {
		if (!this.host.state.train.sweep || this.sweep.key === this.key) return;
		this.sweep.key = this.key;
		const { train } = this.host.state;
		const curves = this.curves.map((curve) => ({
			...curve,
			rates: curve.rates.subarray(0, -1),
		}));
		let rank = 1000;
		for (const [job, take] of this.sweep.jobs(curves, train)) {
			this.ask(`sweep ${rank}`, job, rank++, take);
		}
	}

	ask(name, job, rank, take) {
		if (this.tickets.has(name)) return;
		pool ??= new Pool(() => load(this.host.model));
		const heard = (run) => {
			if (run.stopped) return;
			take(run);
			if (run.outcome) this.tickets.delete(name);
			this.drawSoon();
		};
		const failed = (error) => {
			this.tickets.clear();
			this.failed = error;
			this.drawSoon();
		};
		this.tickets.set(name, pool.add(job, rank, heard, failed));
	}

	/** Stop what trains and what waits; what has ended stays. */
	rest() {
		for (const ticket of this.tickets.values()) pool.stop(ticket);
		this.tickets.clear();
		// A sweep that was stopped halfway is begun anew.
		if (!this.sweep.ended) this.sweep.key = null;
	}

	/** The explorer is gone. */
	end() {
		this.rest();
		clearTimeout(this.waiting);
		this.skip();
		this.watch.disconnect();
		document.removeEventListener("visibilitychange", this.turn);
	}

	// What it looks like

	drawSoon() {
		const pause = this.drawnAt + BETWEEN - performance.now();
		this.pausing ??= setTimeout(() => {
			this.frame = requestAnimationFrame(() => {
				this.pausing = null;
				this.drawnAt = performance.now();
				this.host.attempt(() => this.draw());
			});
		}, pause);
	}

	/** What was to be drawn is of the past. */
	skip() {
		clearTimeout(this.pausing);
		cancelAnimationFrame(this.frame);
		this.pausing = null;
	}

	layout(both, height) {
		this.both = both;
		this.loss.layout({ ...both, height: Math.round(height * 0.72), foot: 22, unit: "" });
		this.accuracy.layout({ ...both, height: Math.round(height * 0.66), foot: 38 });
	}

	/** The runs of a curve, without the seeds that haven't begun. */
	begun({ key }) {
		return (this.runs.get(key) ?? []).filter(Boolean);
	}

	get whole() {
		const { seeds } = this.host.state.train;
		const done = (curve) => this.begun(curve).filter(({ outcome }) => outcome).length;
		return this.curves.length > 0 && this.curves.every((curve) => done(curve) === seeds);
	}

	/** What a chart draws of each curve: its lines across the seeds. */
	lines(part, read, times, before) {
		return this.curves.flatMap(({ kind, name, key }) => {
			let runs = this.runs.get(key) ?? [];
			const stale = !runs.some(Boolean) && kind === "current";
			// Until the first run reports, the curve before stays, faded.
			if (stale) runs = this.before?.steps === this.steps ? this.before.runs : [];
			else if (kind === "current") this.before = { runs, steps: this.steps };
			const come = runs.reduce((sum, run) => sum + 1 + read(run).length, 0);
			let made = this.made[part].get(runs);
			if (made?.come !== come) {
				made = { come, rows: this.band(runs.filter(Boolean).map(read), times, before) };
				this.made[part].set(runs, made);
			}
			const lost = runs.flatMap(({ outcome }) => outcome?.diverged ?? []);
			return made.rows ? { ...made.rows, kind, name, stale, lost } : [];
		});
	}

	/** The middle of several rows and how far they reach, one value a step, or null. */
	band(rows, times, before) {
		const { low, middle, high } = across(rows);
		if (!middle.length) return null;
		const ends = times(middle.length);
		const part = (values) => spread(ends, values, this.steps, before);
		const end = ends[middle.length - 1];
		return { values: part(middle), low: part(low), high: part(high), end };
	}

	draw() {
		if (!this.both || !this.key) return;
		const { steps } = this;
		const checks = checksOf(steps);
		const middles = (n) =>
			Array.from({ length: n }, (_, i) =>
				i + 1 === PIECES
					? steps
					: Math.floor((pieceStart(i, steps) + pieceStart(i + 1, steps)) / 2),
			);
		const ends = (n) =>
			Array.from({ length: n }, (_, i) => pieceStart(((i + 1) * PIECES) / checks, steps));
		const losses = this.lines("losses", ({ losses }) => losses, middles, true);
		const accuracies = this.lines(
			"checks",
			({ checks }) => checks.map(({ accuracy }) => 100 * accuracy),
			ends,
			false,
		);
		const named = this.both.right > 14;
		const least = Math.min(0.3, ...losses.map(({ low, end }) => low[end]));
		this.loss.draw(losses, logAxis(Math.max(least, 1e-3) * 0.8, 4), named);
		this.accuracy.draw(accuracies, this.accuracyAxis(accuracies), named);
		this.drawn = { losses, accuracies };
		this.drawUsed();
		this.sweep.draw({ ...this.both, height: 230, foot: 38 }, named);
		this.describe();
		this.drawCursor(...(this.cursor ?? [steps, false]));
	}

	/** With the plateau rule the rate falls below its curve: that of seed 1, dashed. */
	drawUsed() {
		const { rate } = this.host;
		const current = this.curves.at(-1);
		const cuts = this.runs.get(current?.key)?.[0]?.cuts ?? [];
		this.used ??= rate.plot.appendChild(svg("path", { class: "used current" }));
		if (!cuts.length) return this.used.setAttribute("d", "");
		const used = current.rates.map((value, t) => {
			return value * FACTOR ** cuts.filter((cut) => cut <= t).length;
		});
		this.used.setAttribute("d", rate.path(used));
	}

	/** From a round number below where the curves end, up to 100 %. */
	accuracyAxis(curves) {
		const lowest = Math.min(85, ...curves.map(({ low, end }) => low[end])) - 10;
		const from = lowest < 40 ? 0 : lowest < 65 ? 40 : 70;
		const ticks = ticksBetween(from, 100, 3);
		return { share: (value) => (value - from) / (100 - from) / 1.04, ticks };
	}

	drawCursor(at, line) {
		this.cursor = [at, line];
		this.loss.drawCursor(at, line);
		this.accuracy.drawCursor(at, line);
		const read = (curves) => curves?.find(({ kind }) => kind === "current");
		const [loss, accuracy] = [read(this.drawn?.losses), read(this.drawn?.accuracies)];
		this.score.replaceChildren();
		if (!loss || loss.stale) return;
		const value = loss.values[at];
		const words = value < 1e6 ? value.toFixed(2) : Number.isNaN(value) ? "…" : "∞";
		this.score.append("training loss ", bold(words), " · validation accuracy ");
		const share = accuracy?.values[at];
		this.score.append(bold(share >= 0 ? percent(share) : "…"));
		if (share >= 0 && this.begun(this.curves.at(-1)).length > 1) {
			const { low, high } = accuracy;
			this.score.append(` (${low[at].toFixed(1)} to ${high[at].toFixed(1)})`);
		}
	}

	/** What is being done, and the verdict, once. */
	describe() {
		const { train } = this.host.state;
		const total = this.curves.length * train.seeds;
		const done = this.curves
			.map((curve) => this.begun(curve).filter(({ outcome }) => outcome).length)
			.reduce((a, b) => a + b, 0);
		const { sweep } = this;
		const sweeping = train.sweep && sweep.key !== null && !sweep.ended;
		write(this.progress, this.waitingFor(done, total));
		write(sweep.progress, sweeping ? `${sweep.done} of ${sweep.total} runs` : "");
		show(this.startButton, !this.asked || this.failed);
		write(this.startButton, this.failed ? "Try again" : "Train");
		write(this.sweepButton, sweeping ? "Stop the sweep" : "Sweep peaks");
		this.sweepButton.disabled = Boolean(this.problem) || !this.asked;
		this.copyButton.disabled = !this.curves.length;
		if (this.problem) write(this.said, this.problem);
		else if (this.failed) {
			const words = `Training stopped: ${this.failed.message}. All else on this page works.`;
			write(this.said, words);
		} else if (this.whole && !this.told) {
			this.told = true;
			write(this.said, this.verdict());
			this.hand();
		}
		if (sweep.ended && train.sweep && !sweep.said.textContent) {
			sweep.said.textContent = `Lowest at the end: ${sweep.best.join("; ")}.`;
		}
		const { losses, accuracies } = this.drawn;
		const label = (chart, what, curves, words) => {
			const each = curves
				.filter(({ stale }) => !stale)
				.map(({ name, values, end }) => `${name} ${words(values[end])} at step ${end}`);
			set(chart.svg, { "aria-label": `${what}: ${each.join(", ") || "not trained yet"}` });
		};
		label(this.loss, "Training loss", losses, (x) => (x < 1e6 ? x.toFixed(2) : "infinite"));
		label(this.accuracy, "Validation accuracy", accuracies, percent);
	}

	waitingFor(done, total) {
		if (this.problem || this.failed || !this.curves.length) return "";
		if (!this.asked) {
			return "Your browser asks to save data. To train, it has to load 140 kB of digits.";
		}
		return done < total ? `${done} of ${total} runs; the verdict comes with the last.` : "";
	}

	outcomes({ name, key, plateau }) {
		const whole = plateau ? `${name} with the plateau rule` : name;
		return { name: whole, runs: this.runs.get(key).map(({ outcome }) => outcome) };
	}

	verdict() {
		const ours = this.curves.at(-1);
		const pins = this.curves.slice(0, -1);
		if (pins.length) {
			const current = this.outcomes(ours);
			return pins.map((pin) => sentence(current, this.outcomes(pin))).join(" ");
		}
		const { seeds } = this.host.state.train;
		const lost = this.outcomes(ours).runs.filter(({ diverged }) => diverged !== null);
		const words = lost.length ? `${lost.length} of ${seeds} runs diverged. ` : "";
		return seeds < LEAST_SEEDS
			? `${words}A verdict takes ${LEAST_SEEDS} seeds or more.`
			: `${words}Pin this curve and change something to get a verdict.`;
	}

	/** Hand all runs to Python. */
	hand() {
		const { seeds } = this.host.state.train;
		const { steps } = this;
		const curves = this.curves.map(({ name, key, rates }) => {
			const runs = this.runs.get(key);
			return {
				name,
				rates: Array.from(rates.subarray(0, -1)),
				losses: runs.map(({ losses }) => losses),
				checks: runs.map(({ checks }) => checks.map((x) => [x.loss, x.accuracy])),
				tests: runs.map(({ outcome }) => [outcome.test.loss, outcome.test.accuracy]),
				diverged: runs.map(({ outcome }) => outcome.diverged),
			};
		});
		this.host.model.set("results", { steps, seeds, curves });
		this.host.model.save_changes();
	}

	python() {
		const { train, view } = this.host.state;
		return raceCode(this.host.spec, this.curves, train, view.steps);
	}
}
