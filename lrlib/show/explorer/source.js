// Where the digits and the code of the workers come from, when something first trains.

const PATIENCE = 60_000; // ms

/** Run a classic script, since a page from the disk may load nothing else. */
function run(url) {
	return new Promise((resolve, reject) => {
		const script = document.createElement("script");
		script.src = url;
		script.onload = resolve;
		script.onerror = () => reject(new Error(`${new URL(url).pathname} did not load`));
		document.head.append(script);
	}).finally(() => document.head.querySelector(`script[src="${CSS.escape(url)}"]`)?.remove());
}

async function fromFiles(folder) {
	await Promise.all(["worker.js", "digits.js"].map((name) => run(folder(name))));
	const { source, sets } = globalThis.lrlibTraining ?? {};
	if (!source || !sets) throw new Error("the digits or the worker's code are incomplete");
	return { source, sets };
}

function fromKernel(model) {
	return new Promise((resolve, reject) => {
		const end = (settle, value) => {
			clearTimeout(timer);
			model.off("msg:custom", hear);
			settle(value);
		};
		const hear = (message) => message?.sets && end(resolve, message);
		const late = () => end(reject, new Error("the kernel did not send the digits"));
		const timer = setTimeout(late, PATIENCE);
		model.on("msg:custom", hear);
		model.send({ ask: "digits" });
	});
}

/** Bring the worker's code and the digits: `{ source, sets }`. */
export const load = (model) => {
	const folder = model.get("folder");
	return folder ? fromFiles(folder) : fromKernel(model);
};
