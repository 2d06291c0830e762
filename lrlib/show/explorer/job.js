// One training run, from its start to its end, update by update.

import { CLASSES } from "./plain.js";
import { FACTOR, PIECES, checksOf, pieceStart } from "./plan.js";

/** The rule of `ReduceLROnPlateau`, checked as often as the validation digits are. */
const PATIENCE = 1;
const MIN_DELTA = 1e-4;
/** The loss of guessing. */
const GUESS = Math.log(CLASSES);

export class Job {
	/** It has the network for itself until the next one begins. */
	constructor(network, { rates, plateau, ...settings }) {
		this.network = network;
		this.rates = rates;
		this.plateau = plateau;
		network.begin(settings);
		this.every = PIECES / checksOf(rates.length);
		this.losses = [];
		this.checks = [];
		this.cuts = [];
		this.step = 0;
		this.sum = 0;
		this.scale = 1;
		this.best = Infinity;
		this.waited = 0;
		// The first update whose loss is far above that of guessing, or not a number.
		this.burst = null;
	}

	get ended() {
		return this.losses.length === PIECES;
	}

	/** Make an update, and look at the validation digits where that is due. */
	advance() {
		const { rates, losses } = this;
		const loss = this.network.step(rates[this.step] * this.scale);
		if (this.burst === null && !(loss < 1.4 * GUESS)) this.burst = this.step;
		this.step++;
		this.sum += loss;
		const from = pieceStart(losses.length, rates.length);
		const to = pieceStart(losses.length + 1, rates.length);
		if (this.step < to) return;
		losses.push(this.sum / (to - from));
		this.sum = 0;
		if (losses.length % this.every === 0) this.check(to);
	}

	check(step) {
		const found = this.network.evaluate("validation");
		this.checks.push(found);
		if (!this.plateau || this.ended) return;
		if (found.loss < this.best - MIN_DELTA) {
			this.best = found.loss;
			this.waited = 0;
		} else if (++this.waited >= PATIENCE) {
			this.scale *= FACTOR;
			this.waited = 0;
			this.cuts.push(step);
		}
	}

	/**
	 * The outcome: what the test digits say, and where the run diverged, or null. It did
	 * if its loss burst and it ends as bad as guessing, or not as a number.
	 */
	outcome() {
		const lost = !(this.checks.at(-1).loss < 0.9 * GUESS);
		const test = this.network.evaluate("test");
		return { test, diverged: lost ? this.burst : null };
	}
}
