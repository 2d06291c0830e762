// Shows the explorers of a published page: the same render as in a live notebook, with a
// plain object for a model. Without JavaScript the picture in the page stays.

import { render } from "./explorer.js";
import { showFailure } from "./failure.js";

/** Where this script and the files beside it are; known only while it first runs. */
const { src } = document.currentScript ?? {};

/** The address of a file beside this script, of the same build. */
function beside(name) {
	const url = new URL(name, src || location.href);
	url.search = src ? new URL(src).search : "";
	return url.href;
}

/** A model that holds what the page says, and nobody else sets. */
function modelOf(el, page) {
	const data = JSON.parse(el.querySelector("script").textContent);
	const values = { ...data, page, folder: beside };
	return {
		get: (name) => values[name],
		set: (name, value) => (values[name] = value),
		save_changes() {},
		on() {},
		off() {},
	};
}

document.querySelectorAll(".lrlib-explorer").forEach((el, i) => {
	try {
		render({ model: modelOf(el, i + 1), el });
	} catch (error) {
		showFailure(el, el.querySelector(":scope > svg"), error);
	}
});
