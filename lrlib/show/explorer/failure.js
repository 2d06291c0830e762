// What stands in the place of an explorer that fails.

import { h } from "./elements.js";

/** Show the picture, if there is one, a sentence, and the error's message below it. */
export function showFailure(el, picture, error) {
	const sentence = picture
		? "This explorer failed, so you see only a picture of its curve, without sliders. "
		: "This explorer failed, so its curve and sliders are gone. ";
	const words = `${sentence}The rest of the page works as before. What went wrong:`;
	const message = h("pre", {}, h("code", {}, `${error?.message ?? error}`));
	const failure = h("div", { class: "failure", role: "alert" }, h("p", {}, words), message);
	el.replaceChildren(...[picture, failure].filter(Boolean));
	console.error(error);
}
