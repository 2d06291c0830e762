// A text of Python as nested lists, the same that Python sends for its own functions.
// The parser is Lezer's; nothing is ever run.

/** A text that can't be read, in a sentence. */
export class Refused extends Error {}

const DEEPEST = 60;

/** Parse a text; return its statements, or throw `Refused`. */
export function parse(text, parser) {
	if (deepest(text) > DEEPEST) throw new Refused("the text is nested too deeply");
	const whole = new Reader(text, parser);
	if (whole.error === null) {
		const statements = whole.statements();
		// `StepLR(30), lr=0.1` is no assignment in Python.
		if (statements.every(assignable)) return { statements, text, alone: false };
	}
	const call = new Reader(`_(${text}\n)`, parser);
	if (call.error === null) return { statements: call.statements(), text: `_(${text}\n)`, alone: true };
	throw new Refused(whole.understood());
}

function assignable([kind, target]) {
	const fits = ([each, inner]) => (each === "list" ? inner.every(fits) : each === "star" ? fits(inner) : ["name", "attribute", "subscript"].includes(each));
	return kind !== "=" || fits(target);
}

function deepest(text) {
	let [deep, most] = [0, 0];
	for (const character of text) {
		if ("([{".includes(character)) most = Math.max(most, ++deep);
		else if (")]}".includes(character)) deep--;
	}
	return most;
}

class Reader {
	constructor(text, parser) {
		this.text = text;
		this.tree = parser.parse(text);
		this.error = null;
		this.tree.iterate({
			enter: (node) => {
				if (node.type.isError && this.error === null) this.error = node.from;
			},
		});
	}

	understood() {
		const line = this.text.slice(0, this.error).split("\n");
		const before = line[line.length - 1].trim().slice(-40);
		const where = `line ${line.length}`;
		return before
			? `this isn't Python that can be read: it's clear up to “${before}” (${where})`
			: `this isn't Python that can be read, at ${where}`;
	}

	statements() {
		return this.block(this.tree.topNode);
	}

	of(node) {
		return this.text.slice(node.from, node.to);
	}

	children(node, punctuation = false) {
		const found = [];
		for (let child = node.firstChild; child; child = child.nextSibling) {
			const word = /^\w/.test(child.name);
			if (child.name !== "Comment" && (word || punctuation)) found.push(child);
		}
		return found;
	}

	block(node) {
		return this.children(node).flatMap((child) => this.statement(child));
	}

	statement(node) {
		const made = this.statementOf(node);
		for (const each of made) {
			each.at = [node.from, node.to];
			each.source = node;
		}
		return made;
	}

	statementOf(node) {
		switch (node.name) {
			case "StatementGroup":
				return this.block(node);
			case "ExpressionStatement":
				return [["expression", this.expression(this.children(node)[0])]];
			case "AssignStatement":
				return this.assignment(node);
			case "UpdateStatement": {
				const [target, value] = [node.firstChild, node.lastChild].map((child) => this.expression(child));
				const sign = this.of(node.firstChild.nextSibling).slice(0, -1);
				return [["=", target, ["operation", sign, target, value]]];
			}
			case "ImportStatement":
			case "PassStatement":
				return [["pass"]];
			case "ReturnStatement": {
				const values = this.children(node).filter((child) => child.name !== "return");
				const listed = values.map((child) => this.expression(child));
				return [["return", listed.length > 1 ? ["list", listed] : (listed[0] ?? null)]];
			}
			case "IfStatement":
				return [this.conditional(this.children(node))];
			case "ClassDefinition": {
				// Lightning's modules: only what makes their schedule matters.
				const inside = this.block(node.getChild("Body"));
				const maker = inside.filter(([kind, name]) => kind === "def" && name === "configure_optimizers");
				if (maker.length) return maker;
				break;
			}
			case "FunctionDefinition": {
				const [name] = this.children(node).filter((child) => child.name === "VariableName");
				const [list, body] = ["ParamList", "Body"].map((kind) => node.getChild(kind));
				return [["def", this.of(name), this.parameters(list), this.block(body), this.of(node)]];
			}
		}
		return [["refused", node.name, this.of(node)]];
	}

	/** `if` and what follows it: tests and bodies by turns. */
	conditional(parts) {
		const [word, test, body, ...rest] = parts;
		if (word.name === "else") return null;
		let otherwise = [];
		if (rest.length) {
			otherwise = rest[0].name === "else" ? this.block(rest[1]) : [this.conditional(rest)];
		}
		return ["if", this.expression(test), this.block(body), otherwise];
	}

	parameters(node) {
		const listed = [];
		let [star, stars, before] = [null, null, ""];
		for (let child = node?.firstChild; child; child = child.nextSibling) {
			if (child.name === "VariableName" && before !== "AssignOp") {
				if (before === "*") star = this.of(child);
				else if (before === "**") stars = this.of(child);
				else listed.push([this.of(child), null]);
			} else if (before === "AssignOp") listed[listed.length - 1][1] = this.expression(child);
			if (child.name !== "TypeDef") before = child.name;
		}
		return [listed, star, stars];
	}

	comprehension(node) {
		const parts = this.children(node);
		const each = this.expression(parts.shift());
		const loops = [];
		while (parts.length) {
			const word = parts.shift().name;
			if (word === "for") {
				const targets = [];
				while (parts[0].name !== "in") targets.push(this.expression(parts.shift()));
				parts.shift();
				const target = targets.length > 1 ? ["list", targets] : targets[0];
				loops.push([target, this.expression(parts.shift()), []]);
			} else if (word === "if") loops[loops.length - 1][2].push(this.expression(parts.shift()));
			else return ["refused", this.of(node)];
		}
		return ["comprehension", each, loops];
	}

	assignment(node) {
		const sides = [[]];
		for (let child = node.firstChild; child; child = child.nextSibling) {
			if (child.name === "AssignOp") sides.push([]);
			else if (child.name !== "TypeDef" && child.name !== "Comment") {
				sides[sides.length - 1].push(child);
			}
		}
		const values = sides.map((side) => {
			const kept = side.filter((child) => child.name !== ",");
			const several = kept.length > 1 || side.some((child) => child.name === ",");
			return several ? ["list", kept.map((child) => this.expression(child))] : this.expression(kept[0]);
		});
		const value = values.pop();
		return values.map((target) => ["=", target, value]);
	}

	expression(node) {
		const made = this.expressionOf(node);
		made.at = [node.from, node.to];
		return made;
	}

	expressionOf(node) {
		const inside = () => this.children(node);
		switch (node.name) {
			case "Number":
				return this.number(this.of(node), node);
			case "String":
				return ["constant", this.string(node)];
			case "ContinuedString":
				return ["constant", inside().map((child) => this.string(child)).join("")];
			case "Boolean":
				return ["constant", this.of(node) === "True"];
			case "None":
				return ["constant", null];
			case "VariableName":
				return ["name", this.of(node).normalize("NFKC")];
			case "ParenthesizedExpression":
				return this.expressionOf(inside()[0]);
			case "TupleExpression":
			case "ArrayExpression":
			case "SetExpression":
				return ["list", this.listed(node)];
			case "DictionaryExpression":
				return this.dictionary(node);
			case "BinaryExpression":
				return this.binary(node);
			case "UnaryExpression": {
				const [sign] = this.children(node, true);
				return ["operation", this.of(sign), this.expression(node.lastChild)];
			}
			case "ConditionalExpression": {
				const [body, test, otherwise] = inside().filter((child) => child.name !== "if" && child.name !== "else");
				return ["choose", ...[test, body, otherwise].map((child) => this.expression(child))];
			}
			case "MemberExpression":
				return this.member(node);
			case "CallExpression":
				return this.call(node);
			case "LambdaExpression":
				return ["lambda", this.parameters(node.getChild("ParamList")), this.expression(node.lastChild)];
			case "ArrayComprehensionExpression":
			case "ComprehensionExpression":
				return this.comprehension(node);
		}
		return ["refused", this.of(node)];
	}

	number(text, node) {
		const digits = text.replaceAll("_", "").toLowerCase();
		const made = ["constant", /^0[xbo]/.test(digits) ? Number(digits) : parseFloat(digits)];
		if (/j$/.test(digits)) return ["refused", this.of(node)];
		made.whole = /^(\d+|0[xbo]\w+)$/.test(digits);
		return made;
	}

	string(node) {
		const quoted = /^[a-zA-Z]*("""|'''|"|')([^]*)\1$/.exec(this.of(node));
		return quoted ? quoted[2] : this.of(node);
	}

	listed(node) {
		const items = [];
		let starred = false;
		for (let child = node.firstChild; child; child = child.nextSibling) {
			if (child.name === "*" || child.name === "**") starred = true;
			else if (/^\w/.test(child.name) && child.name !== "Comment") {
				const item = this.expression(child);
				items.push(starred ? ["star", item] : item);
				starred = false;
			}
		}
		return items;
	}

	dictionary(node) {
		const [keys, values] = [[], []];
		let key;
		let double = false;
		for (let child = node.firstChild; child; child = child.nextSibling) {
			if (child.name === "**") double = true;
			else if (/^\w/.test(child.name) && child.name !== "Comment") {
				const item = this.expression(child);
				if (double) {
					keys.push(null);
					values.push(item);
					double = false;
				} else if (key) {
					keys.push(key);
					values.push(item);
					key = undefined;
				} else key = item;
			}
		}
		return ["dict", keys, values];
	}

	binary(node) {
		const left = this.expression(node.firstChild);
		const right = this.expression(node.lastChild);
		const words = [];
		for (let child = node.firstChild.nextSibling; child !== node.lastChild && child.from < node.lastChild.from; child = child.nextSibling) {
			if (child.name !== "Comment") words.push(this.of(child));
		}
		const sign = words.join(" ");
		if (sign === "and" || sign === "or") return [sign, [left, right]];
		if (/^(<|>|<=|>=|==|!=|is|is not|in|not in)$/.test(sign)) {
			if (left[0] === "compare") {
				return ["compare", left[1], [...left[2], sign], [...left[3], right]];
			}
			return ["compare", left, [sign], [right]];
		}
		return ["operation", sign, left, right];
	}

	member(node) {
		const owner = this.expression(node.firstChild);
		if (node.lastChild.name === "PropertyName") return ["attribute", owner, this.of(node.lastChild)];
		const parts = [];
		let colons = 0;
		for (let child = node.firstChild.nextSibling; child; child = child.nextSibling) {
			if (child.name === ":") colons++;
			else if (child.name === ",") return ["refused", this.of(node)];
			else if (/^\w/.test(child.name)) parts[colons] = this.expression(child);
		}
		if (colons > 1) return ["refused", this.of(node)];
		if (colons) return ["slice", owner, parts[0] ?? null, parts[1] ?? null];
		return ["subscript", owner, parts[0]];
	}

	call(node) {
		const [positional, named] = [[], []];
		const list = node.lastChild;
		let name;
		let stars = "";
		for (let child = list.firstChild; child; child = child.nextSibling) {
			if (child.name === "*" || child.name === "**") stars = child.name;
			else if (child.name === "AssignOp") name = this.of(child.prevSibling);
			else if (/^\w/.test(child.name) && child.name !== "Comment") {
				if (child.nextSibling?.name === "AssignOp") continue;
				const value = child.nextSibling?.name === "for" ? null : this.expression(child);
				if (child.nextSibling?.name === "for") {
					positional.push(this.comprehension(list));
					break;
				}
				if (name !== undefined) named.push([name, value]);
				else if (stars === "**") named.push([null, value]);
				else positional.push(stars === "*" ? ["star", value] : value);
				name = undefined;
				stars = "";
			}
		}
		return ["call", this.expression(node.firstChild), positional, named];
	}
}

/** An expression as Python writes it, for comparing and for asking. */
export function unparse(node) {
	const list = (items) => items.map(unparse).join(", ");
	switch (node[0]) {
		case "name":
			return node[1];
		case "constant":
			if (node[1] === null) return "None";
			if (typeof node[1] === "boolean") return node[1] ? "True" : "False";
			return typeof node[1] === "string" ? `'${node[1]}'` : `${node[1]}`;
		case "attribute":
			return `${unparse(node[1])}.${node[2]}`;
		case "subscript":
			return `${unparse(node[1])}[${unparse(node[2])}]`;
		case "call": {
			const named = node[3].map(([name, value]) => (name === null ? `**${unparse(value)}` : `${name}=${unparse(value)}`));
			return `${unparse(node[1])}(${[...node[2].map(unparse), ...named].join(", ")})`;
		}
		case "operation":
			return node.length === 3 ? `${node[1]}${unparse(node[2])}` : `${unparse(node[2])} ${node[1]} ${unparse(node[3])}`;
		case "list":
			return `[${list(node[1])}]`;
		case "star":
			return `*${unparse(node[1])}`;
	}
	return node[1] ?? "";
}
