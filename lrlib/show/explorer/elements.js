// Elements of HTML and SVG, made and changed.

/** Attributes and, named `onclick` and so on, listeners. What stays isn't laid out anew. */
export function set(element, attributes) {
	for (const [name, value] of Object.entries(attributes)) {
		if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else if (element.getAttribute(name) !== `${value}`) element.setAttribute(name, value);
	}
	return element;
}

const maker = (space) => (name, attributes = {}, ...parts) => {
	const element = set(document.createElementNS(space, name), attributes);
	element.append(...parts);
	return element;
};
export const h = maker("http://www.w3.org/1999/xhtml");
export const svg = maker("http://www.w3.org/2000/svg");

export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
export const div = (name, ...parts) => h("div", { class: name }, ...parts);
export const button = (attributes, ...parts) =>
	h("button", { type: "button", ...attributes }, ...parts);
export const option = (value) => h("option", { value }, value);
export const bold = (text) => h("b", {}, text);
/** Set the text, if it is another: what stays isn't laid out anew. */
export const write = (element, text) => {
	if (element.textContent !== text) element.textContent = text;
};
export const show = (element, shown) => (element.style.display = shown ? "" : "none");

/** The first `n` children, made where there are fewer. */
export function children(parent, n, make) {
	while (parent.childElementCount > n) parent.lastChild.remove();
	while (parent.childElementCount < n) parent.append(make());
	return [...parent.children];
}

/** Names break at their underscores and dots where a column is narrow. */
export function breakable(text) {
	return text.split(/(?<=[_.:])/).flatMap((part, i) => (i ? [h("wbr"), part] : [part]));
}

/** Copy text to the clipboard; return whether it is there. */
export async function toClipboard(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		// Without the right to write there, a browser still copies what is selected.
		const area = h("textarea", { style: "position: fixed; opacity: 0" });
		const focused = document.activeElement;
		area.value = text;
		document.body.append(area);
		area.select();
		const copied = document.execCommand("copy");
		area.remove();
		focused?.focus({ preventScroll: true });
		return copied;
	}
}

let ids = 0;
export const newId = () => `lrlib-${++ids}`;
