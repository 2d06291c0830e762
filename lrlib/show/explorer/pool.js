// The workers of a page: they are made when something trains, and all explorers share them.

/** As many workers as leave one core free. */
const wanted = () => Math.max(1, Math.min(4, (navigator.hardwareConcurrency || 2) - 1));

export class Pool {
	/** `load` brings `{ source, sets }`: the worker's code and the digits, as text. */
	constructor(load) {
		this.load = load;
		this.waiting = [];
		this.workers = [];
		this.opened = null;
		this.ids = 0;
	}

	/**
	 * Train `job` when a worker is free; a low `rank` goes first. `heard` is called with
	 * what the worker says, `failed` with an error. Returns what `stop` takes.
	 */
	add(job, rank, heard, failed) {
		const ticket = { id: ++this.ids, job, rank, heard, failed };
		this.waiting.push(ticket);
		this.waiting.sort((a, b) => a.rank - b.rank || a.id - b.id);
		this.opened ??= this.open();
		this.opened.then(
			() => this.assign(),
			(error) => this.fail(error),
		);
		return ticket;
	}

	stop(ticket) {
		ticket.heard = () => {};
		this.waiting = this.waiting.filter((other) => other !== ticket);
		const worker = this.workers.find((each) => each.ticket === ticket);
		worker?.postMessage({ stop: ticket.id });
	}

	async open() {
		const { source, sets } = await this.load();
		const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
		this.workers = Array.from({ length: wanted() }, () => {
			const worker = new Worker(url);
			worker.ticket = null;
			worker.onmessage = ({ data }) => this.hear(worker, data);
			worker.onerror = (event) => {
				event.preventDefault();
				this.fail(new Error(`a worker stopped: ${event.message || "no reason given"}`));
			};
			worker.postMessage({ sets });
			return worker;
		});
	}

	assign() {
		for (const worker of this.workers) {
			if (worker.ticket || !this.waiting.length) continue;
			worker.ticket = this.waiting.shift();
			const { id, job } = worker.ticket;
			worker.postMessage({ id, job });
		}
	}

	hear(worker, data) {
		const { ticket } = worker;
		if (ticket?.id !== data.id) return;
		if (data.outcome || data.stopped) {
			worker.ticket = null;
			this.assign();
		}
		ticket.heard(data);
	}

	/** All that train or wait hear of it; what is added next starts afresh. */
	fail(error) {
		const running = this.workers.map(({ ticket }) => ticket).filter(Boolean);
		const all = [...running, ...this.waiting];
		for (const worker of this.workers) worker.terminate();
		this.workers = [];
		this.waiting = [];
		this.opened = null;
		for (const { failed } of new Set(all)) failed(error);
	}
}
