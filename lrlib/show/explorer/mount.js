// Mounts the explorers of a published page: the same render as in a live notebook, with
// a plain object for a model. Without JavaScript the picture in the page stays.
import explorer from "./explorer.js";

[...document.querySelectorAll(".lrlib-explorer")].forEach((el, i) => {
  const data = JSON.parse(el.querySelector("script").textContent);
  const values = { ...data, page: i + 1 };
  const model = {
    get: (name) => values[name],
    set: (name, value) => (values[name] = value),
    save_changes() {},
    on() {},
    off() {},
  };
  explorer.render({ model, el });
});
