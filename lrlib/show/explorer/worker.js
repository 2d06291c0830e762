// What runs in a worker: it is sent the digits once, then jobs, one at a time.

import { Job } from "./job.js";
import { Network } from "./network.js";

/** After so long it reports, and hears whether to stop. */
const TURN = 16; // ms

let network;
let job = null;
let id = 0;

/** A turn of its own, for the messages that have come meanwhile. */
const turns = new MessageChannel();
turns.port1.onmessage = work;

function work() {
	if (!job) return;
	const end = performance.now() + TURN;
	while (!job.ended && performance.now() < end) job.advance();
	const { losses, checks, cuts, ended } = job;
	postMessage({ id, losses, checks, cuts, outcome: ended ? job.outcome() : null });
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
		work();
	}
};
