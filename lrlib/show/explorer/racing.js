// The same comparison in Python: the text of a call of `lrlib.race`.

import { python } from "./numbers.js";
import { variant } from "./states.js";

const OPTIMIZERS = {
	SGD: ["SGD", ""],
	"SGD with momentum": ["SGD", ", momentum=0.9"],
	Adam: ["Adam", ""],
	AdamW: ["AdamW", ""],
};

/** The Python expression of a curve's schedule. */
function expression(entry, params) {
	const whole = new Map(entry.controls.map((control) => [control.path, control.whole]));
	const { expression } = variant(entry, params);
	return expression.replace(/\{([\w.]+)\}/g, (_, path) => python(params[path], whole.get(path)));
}

/** `curves` are named, the current one last; `train` and `steps` as in the state. */
export function raceCode(spec, curves, { optimizer, batch_size, seeds, clip }, steps) {
	const [maker, more] = OPTIMIZERS[optimizer];
	const entries = curves.map(
		({ name, schedule, params }) =>
			`    "${name}": ${expression(spec.schedules[schedule], params)},\n`,
	);
	const rules = curves.filter(({ plateau }) => plateau).map(({ name }) => name);
	const note = rules.length
		? `# A race has no callbacks: the plateau rule of ${rules.join(", ")} is left out.\n`
		: "";
	const ours = curves.at(-1).name;
	const comparisons = curves
		.slice(0, -1)
		.map(({ name }) => `print(result.compare("${ours}", "${name}", "test_accuracy"))\n`);
	const lines = [
		"import keras",
		"import lrlib",
		"import numpy as np",
		"from lrlib.show.explorer.training import small_digits",
		"",
		`${note}schedules = {`,
		`${entries.join("")}}`,
		"",
		"",
		"def optimizer_with(schedule):",
		"    return lambda: keras.optimizers." +
			`${maker}(schedule.to_keras()${more}${clip ? ", global_clipnorm=1.0" : ""})`,
		"",
		"",
		"def network():",
		'    hidden = keras.layers.Dense(32, "relu")',
		'    classes = keras.layers.Dense(10, "softmax")',
		"    return keras.Sequential([keras.Input([196]), hidden, classes])",
		"",
		"",
		"digits = small_digits()",
		`# One epoch of ${steps} updates: the training digits, over and over.`,
		'x, y = digits["train"]',
		`x = np.resize(x, (${steps} * ${batch_size}, 196))`,
		`y = np.resize(y, ${steps} * ${batch_size})`,
		"result = lrlib.race(",
		"    {name: optimizer_with(s) for name, s in schedules.items()},",
		`    seeds=${seeds},`,
		"    epochs=1,",
		`    batch_size=${batch_size},`,
		"    model=network,",
		'    data=((x, y), digits["test"]),',
		")",
		comparisons.join("") || "print(result)\n",
	];
	return lines.join("\n");
}
