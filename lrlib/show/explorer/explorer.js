// The explorer. It knows no formula: each comes from Python as data. Of the model it needs
// `spec`, what there is, and `state`, what is dialed in: an anywidget model, or the plain
// object of page.js.

import { callOf, checkAddress } from "../check/address.js";
import { linearAxis, logAxis } from "./axes.js";
import { Chart, TOP, extent } from "./chart.js";
import { makeControl } from "./controls.js";
import {
	bold,
	button,
	clamp,
	div,
	h,
	newId,
	option,
	set,
	show,
	toClipboard,
} from "./elements.js";
import { showFailure } from "./failure.js";
import { sample, simulate } from "./formulas.js";
import { count, python, short } from "./numbers.js";
import { COLORS, broken, fromAddress, pinName, test, toAddress, variant } from "./states.js";
import { Training } from "./training.js";

class Explorer {
	constructor(model, el) {
		this.model = model;
		this.el = el;
		// What the page shows without JavaScript, and again where that fails.
		this.picture = el.querySelector(":scope > svg");
		this.page = model.get("page");
		this.root = div("frame");
		// Keys that work a slider are no shortcuts of JupyterLab's.
		this.root.onkeydown = (event) => event.stopPropagation();
		this.sizes = new ResizeObserver(([{ contentRect }]) => {
			this.width = Math.round(contentRect.width);
			this.attempt(() => this.redraw());
		});
		this.remembered = {};
		this.attempt(() => {
			this.start();
			this.follow();
		});
	}

	/** Run `action`. If it fails, say so in this explorer's place; all others go on. */
	attempt(action) {
		try {
			action();
		} catch (error) {
			this.failed = true;
			this.sizes.disconnect();
			showFailure(this.el, this.picture, error);
		}
	}

	start() {
		this.failed = false;
		this.spec = this.model.get("spec");
		this.state = this.model.get("state");
		this.cursor = null;
		this.cache = new Map();
		this.build();
	}

	get entry() {
		return this.spec.schedules[this.state.schedule];
	}

	// What changes the state

	change(changes) {
		const { schedule } = this.state;
		// What trains with the old curve lets go of the processor before the new one is drawn.
		if (changes.params) this.training?.rest();
		this.state = { ...this.state, ...changes };
		this.say("");
		this.attempt(() => {
			if (this.state.schedule !== schedule) this.buildParams();
			this.redraw();
		});
		// What Python would refuse is said here, and kept from it.
		if (this.failed || this.problem) return;
		this.model.set("state", this.state);
		this.model.save_changes();
		if (!this.page) return;
		clearTimeout(this.writing);
		this.writing = setTimeout(() => this.writeAddress(), 200);
	}

	pick(schedule, params = this.remembered[schedule] ?? this.defaults(schedule), more) {
		this.remembered[this.state.schedule] = this.state.params;
		this.change({ schedule, params, ...more });
	}

	defaults(schedule) {
		const { controls } = this.spec.schedules[schedule];
		return Object.fromEntries(controls.map(({ path, value }) => [path, value]));
	}

	pin() {
		const { schedule, params, plateau, pins } = this.state;
		const color = COLORS.findIndex((_, i) => !pins.some((pin) => pin.color === i));
		const pin = { schedule, params, color, ...(this.training && { plateau }) };
		this.change({ pins: [...pins, pin] });
		this.say(`Pinned as ${pinName(pin)}.`);
	}

	drop(pin) {
		const at = this.state.pins.indexOf(pin);
		this.change({ pins: this.state.pins.filter((other) => other !== pin) });
		const left = this.pins.querySelectorAll(".drop");
		(left[Math.min(at, left.length - 1)] ?? this.pinButton).focus();
		this.say(`Dropped ${pinName(pin)}.`);
	}

	/** Python, or another view of the same widget, has set something. */
	receive() {
		const [spec, state] = [this.model.get("spec"), this.model.get("state")];
		if (spec === this.spec && state === this.state) return;
		const { schedule, params } = this.state;
		this.attempt(() => {
			if (state.schedule !== schedule) this.remembered[schedule] = params;
			if (spec !== this.spec || this.failed) this.start();
			else {
				this.state = state;
				if (state.schedule !== schedule) this.buildParams();
				this.redraw();
			}
		});
	}

	// The address

	follow() {
		if (!this.page || this.failed) return;
		let state;
		try {
			state = fromAddress(location.hash, this.page, this.spec);
		} catch (error) {
			this.say(`The link was not followed: ${error.message}.`);
		}
		if (!state) return;
		this.attempt(() => {
			this.state = state;
			this.build();
		});
	}

	writeAddress() {
		history.replaceState(history.state, "", toAddress(this.page, this.state));
	}

	async copy(text, what) {
		const copied = await toClipboard(text);
		this.say(`${what} ${copied ? "is in the clipboard" : "could not be copied"}.`);
	}

	// What is on the page

	build() {
		const keys = Object.keys(this.spec.schedules);
		const pick = () => this.pick(this.picker.value);
		this.picker = h("select", { id: newId(), onchange: pick }, ...keys.map(option));
		const label = h("label", { for: this.picker.id }, "Schedule");
		const title = keys.length > 1 ? [label, this.picker] : [bold(keys[0])];
		this.doc = h("p", { class: "doc" });
		this.reading = h("span");
		this.ending = h("span");
		this.rate = new Chart("learning rate", true);
		this.loss = new Chart("expected loss", false);
		this.scrub = h("input", {
			type: "range",
			class: "scrub",
			"aria-label": "Step to read off the chart",
			oninput: () => this.point(+this.scrub.value),
			onblur: () => this.point(null),
		});
		const pointAt = ({ clientX }) => {
			const { steps, left, width } = this.rate;
			const from = this.charts.getBoundingClientRect().left + left;
			this.point(Math.round(clamp((clientX - from) / width, 0, 1) * steps));
		};
		this.training?.end();
		this.training = this.spec.train ? new Training(this) : null;
		const trained = this.training ? [this.training.loss.svg, this.training.accuracy.svg] : [];
		const charts = [this.rate.svg, this.loss.svg, ...trained, this.scrub];
		this.charts = set(div("charts", ...charts), {
			onpointermove: pointAt,
			onpointerleave: () => this.point(null),
			onpointerdown: (event) => {
				event.preventDefault();
				this.scrub.focus({ preventScroll: true });
				pointAt(event);
			},
		});
		this.notice = h("p", { class: "notice", role: "status" });
		this.pins = h("ul", { class: "pins", "aria-label": "Pinned curves" });

		this.form = div("params");
		const keep = "Keep this curve to compare the next one with";
		this.pinButton = button({ title: keep, onclick: () => this.pin() }, "Pin");
		const reset = () => this.change({ params: this.defaults(this.state.schedule) });
		const buttons = [this.pinButton, button({ onclick: reset }, "Reset")];
		const link = () => {
			if (!this.problem) this.writeAddress();
			this.copy(location.href, "The link");
		};
		if (this.page) buttons.push(button({ onclick: link }, "Copy link"));
		const toCheck = () => {
			const { schedule, params, view } = this.state;
			location.assign(checkAddress(callOf(schedule, this.entry.controls, params), view));
		};
		if (this.page) buttons.push(button({ onclick: toCheck }, "Check it in my run"));

		this.view = {};
		for (const control of this.spec.view) {
			const { path } = control;
			this.view[path] = this.control(
				control,
				() => this.state.view[path],
				(value) => this.change({ view: { ...this.state.view, [path]: value } }),
			);
		}
		const views = (...names) => names.map((name) => this.view[name].element);
		this.lossModel = h(
			"fieldset",
			{},
			h("legend", {}, "The loss is that of SGD on a noisy bowl:"),
			...views("condition_number", "noise", "batch_size"),
		);

		const draw = () => this.attempt(() => this.drawCode());
		this.framework = h("select", { "aria-label": "Library", onchange: draw });
		this.codeText = h("code");
		const copy = () => this.copy(this.codeText.textContent, "The code");
		this.code = h(
			"details",
			{ ontoggle: draw },
			h("summary", {}, "Code"),
			div("buttons", this.framework, button({ onclick: copy }, "Copy code")),
			h("pre", { tabindex: 0, role: "group", "aria-label": "Code" }, this.codeText),
		);

		this.root.replaceChildren(
			div("head", div("title", ...title), this.doc),
			div(
				"view",
				h("p", { class: "words" }, this.reading, this.ending),
				this.charts,
				...(this.training ? [this.training.report] : []),
				this.pins,
				div("settings", ...views("steps", "epochs", "steps_per_epoch", "log", "loss")),
				this.notice,
				...(this.training ? [this.training.below] : []),
			),
			div(
				"side",
				...[this.form, div("buttons", ...buttons), this.lossModel],
				...(this.training ? [this.training.form] : []),
			),
			this.code,
		);
		this.width = 0;
		this.laidOut = null;
		this.pinned = null;
		this.buildParams();
		this.el.replaceChildren(this.root);
		// It calls as soon as the charts have a size, and that draws them.
		this.sizes.disconnect();
		this.sizes.observe(this.charts);
	}

	buildParams() {
		this.picker.value = this.state.schedule;
		const doc = this.entry.doc.split("`");
		this.doc.replaceChildren(
			...doc.map((text, i) => (i % 2 ? h("code", {}, text) : text)),
		);
		const groups = new Map();
		this.params = this.entry.controls.map((control) => {
			const { path, group } = control;
			const made = this.control(
				control,
				() => this.state.params[path],
				(value) => this.change({ params: { ...this.state.params, [path]: value } }),
			);
			if (!groups.has(group)) {
				const words = group ? [h("legend", {}, group)] : [];
				groups.set(group, h(group ? "fieldset" : "div", { class: "group" }, ...words));
			}
			groups.get(group).append(made.element);
			return made;
		});
		this.form.replaceChildren(...groups.values());
		this.formula = null;
	}

	control(control, get, put) {
		const steps = () => this.state.view.steps;
		return makeControl(control, { get, put, steps, say: (text) => this.say(text) });
	}

	// Drawing

	/** A curve's rates and losses; the pinned ones are not computed anew. */
	values({ schedule, params }) {
		const { view } = this.state;
		const { steps, loss, condition_number, noise, batch_size } = view;
		const model = loss && [condition_number, noise, batch_size];
		const key = JSON.stringify([schedule, params, steps, model]);
		if (!this.cache.has(key)) {
			if (this.cache.size > 20) this.cache.clear();
			const rates = sample(variant(this.spec.schedules[schedule], params), params, steps);
			const losses = loss && simulate(rates, view, this.spec.directions);
			this.cache.set(key, { rates, losses });
		}
		return this.cache.get(key);
	}

	redraw() {
		const { view, pins, params, schedule } = this.state;
		// To ask the page for it would lay the page out.
		const { width } = this;
		if (!width) return; // not on the page yet; the size observer will call
		for (const control of [...this.params, ...Object.values(this.view)]) control.refresh();
		this.problem = broken(this.entry, params);
		// Numbers that the chosen shape has no use for are out of the way.
		const { formula } = variant(this.entry, params);
		if (formula !== this.formula) {
			const names = JSON.stringify((this.formula = formula));
			for (const { path, element } of this.params) {
				if (path) show(element, names.includes(`"${path}"`));
			}
		}

		const curves = pins.map((pin) => ({
			...pin,
			...this.values(pin),
			name: pinName(pin),
			kind: `pin-${pin.color}`,
		}));
		this.current = this.problem ? null : this.values(this.state);
		if (this.current) {
			const { plateau } = this.state;
			curves.push({ ...this.current, name: schedule, kind: "current", schedule, params, plateau });
		}

		const named = pins.length > 0 && width > 420;
		this.layout(width, named ? curves.map(({ name }) => name.length) : []);
		const rates = curves.map((curve) => ({ ...curve, values: curve.rates }));
		const { low, least, high } = extent(rates);
		const axis = view.log
			? logAxis(Math.max(least, high * 1e-6), high)
			: linearAxis(low, high);
		this.rate.draw(rates, axis, named);
		if (view.loss) {
			const losses = curves.map((curve) => ({ ...curve, values: curve.losses }));
			const ends = extent(losses);
			const top = Math.min(ends.high, 10);
			this.loss.draw(losses, logAxis(Math.max(ends.least, top * 1e-8), top), named);
		}
		this.training?.update(curves);
		this.drawPins();
		this.describe();
		this.point(this.cursor);
		this.drawCode();
		if (this.problem) this.say(this.problem);
	}

	layout(width, names) {
		const { steps, epochs, steps_per_epoch, loss } = this.state.view;
		const right = names.length ? Math.min(28 + 6.6 * Math.max(...names), width * 0.36) : 14;
		const height = Math.round(clamp(width / 2.4, 200, 340));
		const perUnit = epochs ? steps_per_epoch : 1;
		const both = { width, left: 44, right, steps, perUnit };
		const key = JSON.stringify([both, epochs, loss]);
		if (key === this.laidOut) return;
		this.laidOut = key;
		const unit = epochs ? "epoch" : "step";
		const more = loss || this.training;
		const foot = more ? 22 : 38;
		this.rate.layout({ ...both, height, foot, unit: more ? "" : unit });
		this.training?.layout({ ...both, unit }, height);
		this.loss.layout({ ...both, height: Math.round(height * 0.75), foot: 38, unit });
		show(this.loss.svg, loss);
		show(this.lossModel, loss);
		show(this.view.steps_per_epoch.element, epochs);
		const { width: w, height: h } = this.rate;
		const style = `left:44px;top:${TOP}px;width:${w}px;height:${h}px`;
		set(this.scrub, { min: 0, max: steps, style });
	}

	describe() {
		const { schedule, pins, view } = this.state;
		const label = (chart, words) => set(chart.svg, { "aria-label": words });
		this.ending.replaceChildren();
		if (!this.current) {
			label(this.rate, this.problem);
			label(this.loss, this.problem);
			return;
		}
		const { rates, losses } = this.current;
		const last = short(rates[view.steps]);
		const highest = short(extent([{ values: rates }]).high);
		const others = pins.length ? `. Pinned: ${pins.map(pinName).join(", ")}` : "";
		const end = ` at step ${count(view.steps)}${others}`;
		const first = `learning rate ${short(rates[0])} at step 0`;
		label(this.rate, `${schedule}: ${first}, highest ${highest}, ${last}${end}`);
		this.ending.append("ends at ", bold(last));
		if (!losses) return;
		const lost = short(losses[view.steps], 2);
		label(this.loss, `${schedule}: expected loss 1 at step 0, ${lost}${end}`);
		this.ending.append(", loss ", bold(lost));
	}

	/** Read the curve at step `t`, or at the end for null. */
	point(t) {
		const { steps, epochs, steps_per_epoch } = this.state.view;
		this.cursor = t === null ? null : Math.min(t, steps);
		const at = this.cursor ?? steps;
		this.rate.drawCursor(at, t !== null);
		this.loss.drawCursor(at, t !== null);
		this.training?.drawCursor(at, t !== null);
		this.reading.replaceChildren();
		if (!this.current) return;
		const { rates, losses } = this.current;
		if (epochs) this.reading.append("epoch ", bold((at / steps_per_epoch).toFixed(2)), " · ");
		this.reading.append("step ", bold(count(at)), ` of ${count(steps)} · rate `);
		this.reading.append(bold(short(rates[at])));
		if (losses) this.reading.append(" · loss ", bold(short(losses[at], 2)));
		this.scrub.value = at;
		this.scrub.setAttribute("aria-valuetext", this.reading.textContent);
	}

	drawPins() {
		const { pins, schedule, params } = this.state;
		this.pinButton.disabled = pins.length === COLORS.length || Boolean(this.problem);
		if (pins !== this.pinned) {
			this.pinned = pins;
			this.pins.replaceChildren(...pins.map((pin) => this.pinRow(pin)));
		}
		pins.forEach((pin, i) => {
			// Of the same schedule, say what the pinned curve has that this one has not.
			const differs = ({ path }) =>
				pin.schedule === schedule && pin.params[path] !== params[path];
			const words = this.spec.schedules[pin.schedule].controls
				.filter(differs)
				.map(({ path, label }) => `${label} ${short(pin.params[path])}`);
			this.pins.children[i].querySelector(".differs").textContent = words.join(", ");
		});
	}

	pinRow(pin) {
		const name = pinName(pin);
		const rule = this.training && { plateau: pin.plateau };
		const recall = () => this.pick(pin.schedule, pin.params, rule);
		const drop = () => this.drop(pin);
		return h(
			"li",
			{ class: `pin-${pin.color}` },
			button(
				{ title: `Back to ${name}`, onclick: recall },
				h("span", { class: "swatch" }),
				bold(name),
				h("span", { class: "differs" }),
			),
			button({ class: "drop", "aria-label": `Drop ${name}`, onclick: drop }, "×"),
		);
	}

	drawCode() {
		const { params } = this.state;
		const { code } = variant(this.entry, params);
		const frameworks = Object.keys(code);
		show(this.code, frameworks.length && !this.problem);
		if (!this.code.open || !frameworks.length) return;
		const before = this.framework.value;
		this.framework.replaceChildren(...frameworks.map(option));
		this.framework.value = frameworks.includes(before) ? before : frameworks[0];
		const whole = new Map(this.entry.controls.map((c) => [c.path, c.whole]));
		const fitting = code[this.framework.value].find(([holds]) => test(holds, params));
		const template = fitting?.[1] ?? "# It has no scheduler that makes this curve.";
		this.codeText.textContent = template.replace(/\{([\w.]+)\}/g, (text, path) =>
			whole.has(path) ? python(params[path], whole.get(path)) : text,
		);
	}

	say(text) {
		this.notice.textContent = text;
	}
}

/** Show the explorer of `model` in `el`; return what ends it, as anywidget asks for. */
export function render({ model, el }) {
	el.classList.add("lrlib-explorer");
	const explorer = new Explorer(model, el);
	const receive = () => explorer.receive();
	const follow = () => explorer.follow();
	model.on("change:state change:spec", receive);
	window.addEventListener("hashchange", follow);
	return () => {
		model.off("change:state change:spec", receive);
		window.removeEventListener("hashchange", follow);
		explorer.sizes.disconnect();
		explorer.training?.end();
	};
}
