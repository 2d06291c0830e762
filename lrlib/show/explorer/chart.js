// A chart of curves over steps: its grid, its lines and their names, its cursor.

import { ticksBetween } from "./axes.js";
import { children, clamp, set, show, svg, write } from "./elements.js";
import { count, tick } from "./numbers.js";

export const TOP = 26;

export class Chart {
	constructor(title, filled) {
		this.title = svg("text", { y: 13, class: "title" }, title);
		this.filled = filled;
		this.points = Infinity;
		this.rows = svg("g");
		this.columns = svg("g");
		this.grid = svg("g", { class: "grid" }, this.rows, this.columns);
		this.area = svg("path", { class: "area" });
		this.cursor = svg("path", { class: "cursor" });
		this.lines = svg("g", { class: "lines" });
		this.plot = svg("svg", { y: TOP }, this.area, this.cursor, this.lines);
		this.dot = svg("circle", { class: "dot", r: 4 });
		this.names = svg("g", { class: "names" });
		const parts = [this.grid, this.plot, this.dot, this.names, this.title];
		this.svg = svg("svg", { role: "img" }, ...parts);
	}

	layout({ width, height, left, right, foot, steps, perUnit, unit }) {
		this.left = left;
		this.steps = steps;
		this.width = width - left - right;
		this.height = height - TOP - foot;
		this.unit = unit;
		this.key = null;
		this.paths = new WeakMap();
		set(this.svg, { width, height });
		set(this.plot, { x: left, width: this.width, height: this.height });
		// One a pixel; the reading still has every step.
		const points = Math.min(steps, this.points, Math.ceil(this.width));
		const step = (_, i) => Math.round((i * steps) / points);
		this.at = Array.from({ length: points + 1 }, step);
		this.across = this.at.map((t) => `${this.x(t).toFixed(1)} `);
		const ticks = ticksBetween(0, steps / perUnit, this.width < 350 ? 3 : 6);
		this.xTicks = ticks.map((value) => [left + this.x(value * perUnit), count(value)]);
	}

	x(t) {
		return (t / this.steps) * this.width;
	}

	y(value) {
		return (1 - this.axis.share(value)) * this.height;
	}

	draw(curves, axis, named) {
		this.axis = axis;
		// Two values tell where all others lie.
		const key = [axis.share(1), axis.share(2), ...axis.ticks].join();
		if (this.key === null) this.drawColumns();
		if (key !== this.key) this.drawRows();
		this.key = key;
		this.current = curves.find(({ kind }) => kind === "current")?.values;
		let area = "";
		children(this.lines, curves.length, () => svg("path")).forEach((line, i) => {
			const { values, kind } = curves[i];
			const d = this.path(values);
			set(line, { class: kind, d });
			if (this.filled && kind === "current" && d) area = `${d}V${this.height}H0Z`;
		});
		set(this.area, { d: area });
		this.drawNames(named ? curves : []);
	}

	/** The path of an array, made once for every scale. */
	path(values) {
		const drawn = this.paths.get(values);
		if (drawn?.key === this.key) return drawn.d;
		const d = this.trace(values);
		this.paths.set(values, { key: this.key, d });
		return d;
	}

	trace(values) {
		const { at, across, height } = this;
		let d = "";
		let pen = "M";
		for (let i = 0; i < at.length; i++) {
			const y = this.y(values[at[i]]);
			if (Number.isFinite(y)) {
				d += pen + across[i] + Math.round(clamp(y, -50, height + 50) * 10) / 10;
				pen = "L";
			} else pen = "M";
		}
		return d;
	}

	/** Lines and numbers move with every notch of a slider: they stay the same elements. */
	drawRows() {
		const { left, width, axis } = this;
		const make = () =>
			svg("g", {}, svg("path"), svg("text", { x: -8, y: 4, "text-anchor": "end" }));
		children(this.rows, axis.ticks.length, make).forEach((row, i) => {
			const value = axis.ticks[i];
			set(row, { transform: `translate(${left} ${TOP + this.y(value)})` });
			set(row.firstChild, { d: `M0 0h${width}` });
			write(row.lastChild, tick(value));
		});
	}

	drawColumns() {
		const { left, width, height, xTicks, unit } = this;
		const bottom = TOP + height;
		const text = (x, y, anchor, words) =>
			svg("text", { x, y, "text-anchor": anchor }, words);
		this.columns.replaceChildren(
			svg("path", { class: "base", d: `M${left} ${bottom}h${width}` }),
			...xTicks.flatMap(([x, words]) => [
				svg("path", { class: "base", d: `M${x} ${bottom}v4` }),
				text(x, bottom + 18, "middle", words),
			]),
			text(left + width, bottom + 34, "end", unit),
		);
	}

	/** A name at each line's end; names that would touch move apart. */
	drawNames(curves) {
		const { left, width, height, steps } = this;
		const rows = curves.map(({ values, name, kind, end = steps }) => {
			const y = this.y(values[end]);
			return { name, kind, y: clamp(y || 0, 0, height) };
		});
		rows.sort((a, b) => a.y - b.y);
		rows.forEach((row, i) => {
			if (i) row.y = Math.max(row.y, rows[i - 1].y + 15);
		});
		rows.reverse().forEach((row, i) => {
			row.y = Math.min(row.y, height - 15 * i);
		});
		const make = () =>
			svg("g", {}, svg("path", { d: "M0 0h8" }), svg("text", { x: 12, y: 4 }));
		children(this.names, rows.length, make).forEach((group, i) => {
			const { name, kind, y } = rows[i];
			set(group, { class: kind, transform: `translate(${left + width + 6} ${TOP + y})` });
			write(group.lastChild, name);
		});
	}

	drawCursor(t, line) {
		const y = this.current ? this.y(this.current[t]) : NaN;
		set(this.cursor, { d: line ? `M${this.x(t)} 0V${this.height}` : "" });
		const seen = y > -5 && y < this.height + 5;
		show(this.dot, seen);
		if (seen) set(this.dot, { cx: this.left + this.x(t), cy: TOP + y });
	}
}

export function extent(curves) {
	let [low, least, high] = [Infinity, Infinity, -Infinity];
	for (const { values } of curves) {
		for (const value of values) {
			if (!Number.isFinite(value)) continue;
			if (value < low) low = value;
			if (value > 0 && value < least) least = value;
			if (value > high) high = value;
		}
	}
	return high < low ? { low: 0, least: 1, high: 1 } : { low, least, high };
}
