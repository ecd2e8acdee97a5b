// Counts as bars: columns side by side for what has an order, such as days; a list for what is called by name. Each is a list of
// figures with a shape beside them, so it is read out as such, and needs no canvas.

import { h, write } from "../dom.js";
import { count } from "../format.js";

/** Columns, each of parts on top of each other. parts: [[key, label], …], from the bottom up. */
export class Columns {
  element;
  #parts;
  #plot = h("ol", { class: "columns" });
  #top = h("span", { class: "peak" });
  #from = h("span");
  #to = h("span");

  constructor(label, parts, { wide = false } = {}) {
    this.#parts = parts;
    const legend = parts.length < 2 ? null : h("p", { class: "legend" }, ...parts.map(([key, name]) =>
      h("span", {}, h("i", { "data-part": key, "aria-hidden": "true" }), name)));
    this.#plot.setAttribute("aria-label", label);
    this.element = h("div", { class: `columns-of${wide ? " wide" : ""}` }, legend, this.#top, this.#plot,
      h("p", { class: "ends-of", "aria-hidden": "true" }, this.#from, this.#to));
  }

  /** columns: [{label, values: {key: number}, href}, …] */
  paint(columns) {
    const sum = (column) => this.#parts.reduce((all, [key]) => all + (column.values[key] ?? 0), 0);
    const highest = Math.max(1, ...columns.map(sum));
    write(this.#top, count(Math.max(0, ...columns.map(sum))));
    write(this.#from, columns[0]?.label ?? "");
    write(this.#to, columns.at(-1)?.label ?? "");
    this.#plot.replaceChildren(...columns.map((column) => {
      const told = this.#parts.filter(([key]) => column.values[key] > 0)
        .map(([key, name]) => (this.#parts.length > 1 ? `${name.toLowerCase()} ${count(column.values[key])}` : count(column.values[key])));
      const text = `${column.label}: ${told.join(", ") || "none"}`;
      const parts = this.#parts.map(([key]) => {
        const part = h("i", { "data-part": key });
        part.style.setProperty("block-size", `${(100 * (column.values[key] ?? 0)) / highest}%`);
        return part;
      });
      return h("li", { title: text }, h("span", { class: "unheard" }, text), ...parts.reverse());
    }));
  }
}

/** A list of names with their counts, most first; so many at most, and what is left together. */
export class Bars {
  element;
  #list = h("ol", { class: "bars" });
  #none = h("p", { class: "hint" }, "None yet.");
  #most;

  constructor(label, most = 8) {
    this.#most = most;
    this.#list.setAttribute("aria-label", label);
    this.element = h("div", {}, this.#list, this.#none);
  }

  /** items: [{name, count, href, mark}, …] */
  paint(items) {
    const shown = items.slice(0, this.#most);
    const rest = items.slice(this.#most).reduce((sum, each) => sum + each.count, 0);
    if (rest > 0) shown.push({ name: "others", count: rest });
    const all = shown.reduce((sum, each) => sum + each.count, 0);
    const highest = Math.max(1, ...shown.map((each) => each.count));
    this.#none.hidden = all > 0;
    this.#list.replaceChildren(...shown.filter((each) => each.count > 0).map(({ name, count: number, href, mark = null }) => {
      const bar = h("i", { "aria-hidden": "true" });
      bar.style.setProperty("inline-size", `${(100 * number) / highest}%`);
      const text = href === undefined ? h("span", {}, name) : h("a", { href }, name);
      return h("li", { "data-type": mark }, text, h("b", {}, count(number)), bar);
    }));
  }
}
