/* Finds sections of the book. Loaded with minisearch.js and documents.js when
   somebody searches; a classic script, so that it also runs from a folder. */
"use strict";

globalThis.bookSearch = (() => {
  /* Words that say nothing about what is sought. */
  const STOP = new Set(
    ("a about all am an and any are as at be been being but by can could did do does " +
      "doing during for from get gets getting got had has have having how i if in into is it " +
      "its just make me must my of on or our so still that the their them then there these " +
      "they this those to too was we were what when where which while who why will " +
      "with would you your").split(" "),
  );
  /* A word: learning_rate, warm-up, don't, 0.1; of a.b there are two. */
  const WORD = /[\p{L}\p{N}_]+(?:(?:[’'‐-]|(?<=\d)\.(?=\d))[\p{L}\p{N}_]+)*/gu;
  /* Most of what stands between two spaces is one such word. */
  const PLAIN = /^[("“]?([A-Za-z]+)[)"”.,;:]?$/;
  const BETWEEN = /[‐-]/;
  const SIMPLE = /^[A-Z]?[a-z]+$/;
  const NUMBER = /^[\d.]+(?:e-?\d+)?$/;
  /* The parts of camelCase, of snake_case and of 1cycle. */
  const PARTS = /\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{N}+/gu;

  /* What everybody types; the book writes it out. */
  const LR = /(?<![\p{L}\p{N}_.'"])lr(?![\p{L}\p{N}_='"(])/giu;

  /* How a hit counts by where it is, and how much the order of the words adds. */
  const BOOST = { title: 3, synonyms: 2.5, text: 1, code: 0.8, page: 0.4 };
  const PART = 0.35;
  const IN_ORDER = 1.5;
  const TITLE_IN_ORDER = 2.5;
  const TITLE_SAID = 2;
  const LITTLE = 6;
  const NAMED = 3;
  /* Of a pasted traceback the end says most, and the rarest words are enough. */
  const MOST_WORDS = 40;
  const MOST_CHARACTERS = 4000;
  const RANKED = 60;
  const MOST_RESULTS = 30;
  /* What scores less than this part of the best is left out. */
  const LEAST = 0.02;
  const EXCERPT = 190;

  /* ---- words ---- */

  /* Schedule, schedules and scheduled are one word, resume and resuming another. */
  function stem(word) {
    if (word.length < 4 || !/^[a-z]+$/.test(word)) return word;
    let rest = word.replace(/ies$/, "y").replace(/([^sui])s$/, "$1");
    rest = rest.replace(/ical$/, "ic");
    const ending = /^(.*[aeiouy].*)(?:ing|ed)$/.exec(rest);
    if (ending && ending[1].length > 3) {
      rest = ending[1].replace(/([bdgmnprt])\1$/, "$1");
    }
    return rest.length > 4 ? rest.replace(/e$/, "") : rest;
  }

  /* What a word is found by: the whole of it, and its parts. */
  const known = new Map();
  function forms(word) {
    let found = known.get(word);
    if (!found) {
      const bare = word.replace(/['’]/g, "");
      const plain = bare.toLowerCase();
      const stops = STOP.has(plain);
      const whole = [stem(plain)];
      const parts = SIMPLE.test(word) || NUMBER.test(plain) ? [] : partsOf(bare, whole);
      found = { stops, whole, parts, all: stops ? [] : [...whole, ...parts] };
      known.set(word, found);
    }
    return found;
  }

  /* Of an identifier or a compound; adds the compound in one word to its wholes. */
  function partsOf(word, whole) {
    const parts = new Set();
    const pieces = word.split(BETWEEN);
    if (pieces.length > 1) whole.push(stem(pieces.join("").toLowerCase()));
    for (const piece of pieces) {
      parts.add(stem(piece.toLowerCase()));
      for (const part of piece.match(PARTS) ?? []) {
        // Of 1cycle the cycle; a lone letter or digit finds nothing.
        if (part.length > 1) parts.add(stem(part.toLowerCase()));
      }
    }
    return [...parts].filter((part) => part && !whole.includes(part) && !STOP.has(part));
  }

  /* What stands between two spaces comes again and again; each is read once. */
  const chunks = new Map();
  function read(chunk) {
    let found = chunks.get(chunk);
    if (!found) {
      const plain = PLAIN.exec(chunk);
      const words = plain ? [forms(plain[1])] : (chunk.match(WORD) ?? []).map(forms);
      const all = plain ? words[0].all : words.flatMap(({ all }) => all);
      found = { words, all, flow: null };
      chunks.set(chunk, found);
    }
    return found;
  }

  const split = (text) => text.split(/\s+/);
  const formsIn = (text) => split(text).flatMap((chunk) => read(chunk).all);
  const wordsOf = (text) => split(text).flatMap((chunk) => read(chunk).words);
  /* What it says, stemmed, in its order, between spaces, to look phrases up in. */
  function flowOf(text) {
    let flow = " ";
    for (const chunk of split(text)) {
      const found = read(chunk);
      found.flow ??= found.words
        .map(({ stops, whole }) => (stops ? "" : `${whole[0]} `))
        .join("");
      flow += found.flow;
    }
    return flow;
  }

  /* ---- the index ---- */

  let index, sections, symptoms, words;
  const frequency = new Map();

  function documents(json) {
    const data = JSON.parse(json);
    ({ symptoms, words } = data);
    const chunk = words.map(read);
    const formsAt = (numbers) => {
      const found = [];
      for (const number of numbers) {
        for (const form of chunk[number].all) found.push(form);
      }
      return found;
    };
    const tokens = [];
    sections = data.sections.map(([page, anchor, title, synonyms, text, code], id) => {
      const [path, name] = data.pages[page];
      const names = [title, ...synonyms];
      tokens[id] = {
        title: formsIn(title),
        synonyms: formsIn(synonyms.join(" ")),
        text: formsAt(text),
        // How often code repeats a name says nothing, nor do its numbers.
        code: [...new Set(formsAt(new Set(code)))].filter((form) => !NUMBER.test(form)),
        page: formsIn(name),
      };
      return {
        id, title, text, code,
        page: name,
        href: `${path}#${anchor}`,
        called: names,
        names: names.map((said) => said.toLowerCase()),
      };
    });
    const last = new Map(); // the section that a form was counted in
    tokens.forEach(({ title, synonyms, text, code }, id) => {
      for (const forms of [title, synonyms, text, code]) {
        for (const form of forms) {
          if (last.get(form) === id) continue;
          last.set(form, id);
          frequency.set(form, (frequency.get(form) ?? 0) + 1);
        }
      }
    });
    index = new MiniSearch({
      fields: Object.keys(BOOST),
      extractField: ({ id }, name) => (name === "id" ? id : tokens[id][name]),
      stringifyField: (list) => list,
      tokenize: (list) => list,
      processTerm: (form) => form,
    });
    index.addAll(sections);
  }

  /* The lines of a section, from their numbers. */
  function linesOf(numbers) {
    const lines = [[]];
    for (const number of numbers) {
      if (number) lines.at(-1).push(words[number]);
      else lines.push([]);
    }
    return lines.map((line) => line.join(" ")).filter(Boolean);
  }

  /* How much a form says: little where many sections have it. */
  const weight = (form) =>
    Math.log(1 + sections.length / ((frequency.get(form) ?? 0) + 0.5));

  /* ---- a query ---- */

  /* The words to look up, each once: the rarest, if there are many. */
  function chosen(words) {
    const list = [...new Set(words)].filter(({ stops }) => !stops);
    if (list.length <= MOST_WORDS) return list;
    const rarity = ({ whole: [form] }) => (frequency.has(form) ? weight(form) : 0);
    const rarest = [...list].sort((a, b) => rarity(b) - rarity(a)).slice(0, MOST_WORDS);
    return list.filter((word) => rarest.includes(word));
  }

  /* Neighboring words, and how much each two of them say together. */
  function neighbors(flow) {
    const words = flow.trim().split(" ");
    const says = words.map(weight);
    const pairs = new Map();
    for (let i = 1; i < words.length; i++) {
      pairs.set(` ${words[i - 1]} ${words[i]} `, says[i - 1] + says[i]);
    }
    return pairs;
  }

  /* How much of that a text has, from 0 to 1; less if it is little in all. */
  function share(pairs, flow, little = 0) {
    let [all, found] = [little, 0];
    for (const [pair, says] of pairs) {
      all += says;
      if (flow.includes(pair)) found += says;
    }
    return all && found / all;
  }

  /* The sections that answer a query, best first. */
  function search(query) {
    const text = query.slice(-MOST_CHARACTERS).replace(LR, "$& learning rate");
    const terms = chosen(wordsOf(text));
    if (!terms.length) return byTitle(query);
    const roles = new Map();
    terms.forEach(({ whole, parts }, i) => {
      for (const form of parts) {
        if (!roles.has(form)) roles.set(form, { i, boost: PART });
      }
      for (const form of whole) {
        roles.set(form, { i, boost: form === "lr" ? PART : 1, whole: true });
      }
    });
    const bends = (form) => roles.get(form).whole && !/^\p{N}/u.test(form);
    const short = terms.length <= 8;
    const found = index.search(query, {
      tokenize: () => [...roles.keys()],
      boost: BOOST,
      // MiniSearch weighs a word by its rarity in a field. In titles all are rare.
      boostTerm: (form) => roles.get(form).boost * weight(form),
      prefix: (form) =>
        bends(form) && form.length > 2 && (short || !frequency.has(form)),
      // A word that the book has is spelled right.
      fuzzy: (form) =>
        bends(form) && form.length > 3 && !frequency.has(form) ? 0.2 : false,
      maxFuzzy: 2,
    });
    const flow = flowOf(text);
    const said = query.trim().toLowerCase();
    const pairs = neighbors(flow);
    const weights = terms.map(({ whole: [form] }) => roles.get(form).boost * weight(form));
    const total = weights.reduce((sum, value) => sum + value, 0);
    const ranked = found.slice(0, RANKED).map(({ id, score, queryTerms, match }) => {
      const section = sections[id];
      let covered = 0;
      for (const i of new Set(queryTerms.map((form) => roles.get(form).i))) {
        covered += weights[i] / total;
      }
      section.titles ??= section.called.map(flowOf);
      const titled = section.titles.map(
        (title) =>
          TITLE_IN_ORDER * share(pairs, title) +
          TITLE_SAID * share(neighbors(title), flow, LITTLE),
      );
      section.flow ??= flowOf([...section.names, ...linesOf(section.text), ...linesOf(section.code)].join(" "));
      const order = 1 + IN_ORDER * share(pairs, section.flow) + Math.max(...titled);
      const named = section.names.includes(said) ? NAMED : 1;
      return {
        ...shown(section, new Set(Object.keys(match)), pairs),
        score: (score / queryTerms.length) * (0.25 + covered) * order * named,
      };
    });
    ranked.sort((a, b) => b.score - a.score);
    return ranked
      .filter(({ score }) => score > LEAST * ranked[0].score)
      .slice(0, MOST_RESULTS);
  }

  /* For a query of nothing but small words: the headings that say it. */
  function byTitle(query) {
    const said = query.trim().toLowerCase();
    return said
      ? sections
          .filter(({ title }) => ` ${title.toLowerCase()} `.includes(` ${said} `))
          .map((section) => shown(section, new Set(), new Map()))
      : [];
  }

  /* ---- what is shown of a section ---- */

  const shown = (section, matched, pairs) => ({
    title: section.title,
    page: section.page,
    href: section.href,
    matched,
    excerpt: () => excerpt(section, matched, pairs),
  });

  const SENTENCES = /(?<=[.!?:]["”’)]?)\s+(?=[\p{Lu}\p{N}"“(])/u;

  /* The sentence or the line of code that has most of what is sought. */
  function excerpt(section, matched, pairs) {
    section.lines ??= [
      ...linesOf(section.text)
        .flatMap((block) => block.split(SENTENCES))
        .map((line) => ({ line, factor: 1, forms: new Set(formsIn(line)) })),
      ...linesOf(section.code)
        .map((line) => ({ line, factor: 0.6, forms: new Set(formsIn(line)) })),
    ];
    let best = section.lines[0]?.line ?? "";
    let most = 0;
    for (const { line, factor, forms } of section.lines) {
      let says = 0;
      for (const form of forms) if (matched.has(form)) says += weight(form);
      if (!says) continue;
      says *= factor * (1 + 2 * share(pairs, flowOf(line)));
      if (says > most) [best, most] = [line, says];
    }
    return shorten(best, matched);
  }

  /* A long sentence is cut to what is around its first hit. */
  function shorten(text, matched) {
    if (text.length <= EXCERPT) return text;
    const hit = marks(text, matched)[0]?.[0] ?? 0;
    let start = Math.max(0, Math.min(hit - 60, text.length - EXCERPT));
    if (start) start = text.indexOf(" ", start) + 1 || start;
    let end = start + EXCERPT;
    if (end < text.length) end = Math.max(text.lastIndexOf(" ", end), start + 60);
    const [before, after] = [start > 0, end < text.length];
    return `${before ? "… " : ""}${text.slice(start, end)}${after ? " …" : ""}`;
  }

  /* Where the words that were found stand in a text, as [start, end]. */
  function marks(text, matched) {
    const found = [];
    for (const { 0: word, index: at } of text.matchAll(WORD)) {
      if (forms(word).all.some((form) => matched.has(form))) {
        found.push([at, at + word.length]);
      }
    }
    return found;
  }

  return {
    documents,
    search,
    marks,
    isReady: () => Boolean(index),
    symptoms: () => symptoms,
  };
})();
