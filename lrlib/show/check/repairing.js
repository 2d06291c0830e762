// The text with what a finding says to write instead.

const LENGTHS = [
	...["decay_steps", "first_decay_steps", "transition_steps", "T_max", "total_steps"],
	...["num_training_steps", "t_initial", "total_iters", "T_0", "step_size"],
];

const isNumber = (node) => node?.[0] === "constant" && typeof node[1] === "number";

/** The text after a repair, or null where only the reader can make it. */
export function repaired({ facts, source, alone }, [kind, value]) {
	for (const { given, node } of Object.values(facts.where)) {
		const edits = editsOf(kind, value, given, node, facts);
		if (!edits) continue;
		let text = source;
		for (const [from, to, words] of edits.sort((a, b) => b[0] - a[0])) {
			text = text.slice(0, from) + words + text.slice(to);
		}
		return alone ? text.slice(2, -2) : text;
	}
	return null;
}

function editsOf(kind, value, given, node, facts) {
	const end = node.at[1] - 1;
	switch (kind) {
		case "length": {
			const name = LENGTHS.find((each) => given.has(each));
			if (!name) return null;
			const warmup = given.get("warmup_steps");
			const before = name === "decay_steps" && isNumber(warmup) && given.has("warmup_target");
			const length = before ? value - warmup[1] : value;
			return length > 0 ? [[...given.get(name).at, `${length}`]] : null;
		}
		case "float": {
			const first = given.get("initial_learning_rate");
			const found = first?.[0] === "name" ? facts.constants.get(first[1]) : first;
			return found?.at ? [[found.at[1], found.at[1], ".0"]] : null;
		}
		case "warmup": {
			const first = given.get("initial_learning_rate");
			if (!isNumber(first)) return null;
			return [
				[...first.at, "0.0"],
				[end, end, `, warmup_target=${first[1]}`],
			];
		}
		case "end": {
			const last = given.get("end_learning_rate");
			return last ? [[...last.at, "0.0"]] : [[end, end, ", end_learning_rate=0.0"]];
		}
	}
	return null;
}
