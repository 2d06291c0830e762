// Shows the explorers of a published page: the same render as in a live notebook, with a
// plain object for a model. Without JavaScript the picture in the page stays.

import { render } from "./explorer.js";
import { showFailure } from "./failure.js";

/** A model that holds what the page says, and nobody else sets. */
function modelOf(el, page) {
	const data = JSON.parse(el.querySelector("script").textContent);
	const values = { ...data, page };
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
