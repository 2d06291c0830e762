// What runs in a worker: it is sent the digits once, then jobs, one at a time.

import { Job } from "./job.js";
import { Network } from "./network.js";

/** After so long it hears whether to stop: the reader's hand waits for its processor. */
const TURN = 3; // ms
/** After so long it reports. */
const BETWEEN = 20; // ms

let network;
let job = null;
let id = 0;
let reported = 0;

/** A turn of its own, for the messages that have come meanwhile. */
const turns = new MessageChannel();
turns.port1.onmessage = work;

function work() {
	if (!job) return;
	const start = performance.now();
	let now;
	do {
		job.advance();
		now = performance.now();
	} while (!job.ended && now < start + TURN);
	const { losses, checks, cuts, ended } = job;
	if (ended || now > reported + BETWEEN) {
		postMessage({ id, losses, checks, cuts, outcome: ended ? job.outcome() : null });
		reported = now;
	}
	if (ended) job = null;
	else turns.port2.postMessage(null);
}

onmessage = ({ data }) => {
	if (data.sets) network = new Network(data.sets);
	else if (data.stop) {
		// What has ended meanwhile has said so.
		if (data.stop === id && job) postMessage({ id, stopped: true });
		if (data.stop === id) job = null;
	} else {
		id = data.id;
		job = new Job(network, data.job);
		reported = performance.now();
		work();
	}
};
