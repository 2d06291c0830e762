/* Results while the reader types, in the theme's dialog and on the search page. */
"use strict";

(() => {
  const root = document.documentElement.dataset.content_root ?? "./";
  const here = document.currentScript.src.replace(/[^/]*$/, "");
  const IN_DIALOG = 8;

  /* ---- the index, when somebody searches ---- */

  let loading;
  const script = (name) =>
    new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = here + name;
      element.async = false; // in the order in which they are asked for
      element.onload = resolve;
      element.onerror = () => reject(new Error(`${name} didn't load`));
      document.head.append(element);
    });
  function load() {
    loading ??= Promise.all(
      ["minisearch.js", "engine.js", "documents.js"].map(script),
    ).catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  }
  const isLoaded = () => typeof bookSearch !== "undefined" && bookSearch.isReady();

  /* ---- a field and its results ---- */

  const make = (tag, className, ...children) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };

  /* A text with the words that were found in <mark>; never read as HTML. */
  function marked(text, matched) {
    const nodes = [];
    let at = 0;
    for (const [start, end] of bookSearch.marks(text, matched)) {
      nodes.push(text.slice(at, start), make("mark", "", text.slice(start, end)));
      at = end;
    }
    return [...nodes, text.slice(at)];
  }

  function item({ page, title, href, excerpt, matched }) {
    const link = make(
      "a",
      "",
      make("span", "book-search-where", page),
      make("span", "book-search-title", ...marked(title, matched)),
      make("span", "book-search-excerpt", ...marked(excerpt(), matched)),
    );
    link.href = root + href;
    return make("li", "", link);
  }

  const resultsPage = (query) => `${root}search.html?q=${encodeURIComponent(query)}`;

  function connect(form, place, most) {
    const input = form.querySelector("input");
    const dialog = form.closest("dialog");
    const status = make("p", "book-search-status");
    status.setAttribute("role", "status");
    const list = make("ol", "book-search-results");
    list.setAttribute("aria-label", "Results");
    list.hidden = true;
    place.append(list, status);
    const links = () => [...list.querySelectorAll("a")];

    function say(...children) {
      status.replaceChildren(...children);
    }

    function nothing(query) {
      const said = query.length > 80 ? `${query.slice(0, 80)} …` : query;
      say(`Nothing found for “${said}”. `);
      const symptoms = bookSearch.symptoms();
      if (symptoms) {
        const link = make("a", "", "symptoms and error messages");
        link.href = root + symptoms;
        status.append("Try fewer words, or look through the page of ", link, ".");
      } else {
        status.append("Try fewer words.");
      }
    }

    function show() {
      const query = input.value.trim();
      if (!query) {
        say();
        list.hidden = true;
        list.replaceChildren();
        return;
      }
      const results = bookSearch.search(query);
      list.replaceChildren(...results.slice(0, most).map(item));
      list.hidden = !results.length;
      list.scrollTop = 0;
      if (!results.length) {
        nothing(query);
      } else if (results.length > most && dialog) {
        const all = make("a", "", `Show all ${results.length} results`);
        all.href = resultsPage(query);
        say(all);
      } else {
        say(`${results.length} ${results.length === 1 ? "result" : "results"}`);
      }
    }

    async function update() {
      if (isLoaded()) return show();
      if (input.value.trim()) say("Loading …");
      try {
        await load();
        show();
      } catch (error) {
        say(`The search isn't available: ${error.message}.`);
      }
    }

    input.addEventListener("focus", ({ relatedTarget }) => {
      load().catch(() => {}); // the next key tries again, and says why
      if (dialog && !list.contains(relatedTarget)) input.select();
    });
    input.addEventListener("input", update);

    /* Arrows walk from the field through the results; a letter goes back to it. */
    place.parentElement.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      const all = links();
      const at = all.indexOf(document.activeElement);
      const inField = document.activeElement === input;
      if (!inField && at < 0) return;
      if (event.key === "ArrowDown" && at + 1 < all.length) all[at + 1].focus();
      else if (event.key === "ArrowUp" && at > 0) all[at - 1].focus();
      else if (event.key === "ArrowUp" && at === 0) input.focus();
      else if (event.key === "Home" && at > 0) all[0].focus();
      else if (event.key === "End" && at >= 0) all.at(-1).focus();
      else if (event.key === "Enter" && inField && all.length) {
        if (dialog) all[0].click();
        else all[0].focus();
      } else if (at >= 0 && (event.key.length === 1 || event.key === "Backspace")) {
        input.focus();
        return; // the key goes into the field
      } else return;
      event.preventDefault();
    });

    /* A section of this very page: the dialog would stay in front of it. */
    list.addEventListener("click", (event) => {
      if (event.target.closest("a") && !event.ctrlKey && !event.metaKey) dialog?.close();
    });

    if (!dialog) {
      input.addEventListener("input", () => {
        try {
          history.replaceState(null, "", resultsPage(input.value.trim()));
        } catch {
          // A browser may refuse that for a file; the results are there all the same.
        }
      });
      form.addEventListener("submit", (event) => event.preventDefault());
      const query = new URLSearchParams(location.search).get("q");
      if (query) {
        // A field has one line; the words of the next one stay apart.
        input.value = query.replace(/\s+/g, " ");
        update();
      }
      input.focus();
    }
  }

  const dialog = document.querySelector("#pst-search-dialog");
  if (dialog) {
    const place = make("div", "book-search");
    dialog.append(place);
    connect(dialog.querySelector("form"), place, IN_DIALOG);
  }
  const page = document.querySelector("#search-results");
  if (page) {
    page.classList.add("book-search");
    connect(page.parentElement.querySelector("form"), page);
  }
})();
