// Small things that several views show.

import { icon } from "../page.js";
import { h, set, write } from "./dom.js";
import { percent } from "./format.js";

/** Loss that is heard or seen begins at about one in a hundred; from one in twenty on it is hard to bear. */
const NOTICED = 0.01;
const BAD = 0.05;

/** Figures in a row, each under its name. names: [[key, label], …]. */
export function figures(names) {
  const cells = {};
  const element = h("dl", { class: "figures" }, ...names.map(([key, label]) => {
    cells[key] = h("dd", {}, "–");
    return h("div", {}, h("dt", {}, label), cells[key]);
  }));
  return { element, cells };
}

/** A share of lost packets: the figure, and a mark whose shape and colour say how bad it is. */
export function paintLoss(node, loss) {
  write(node, percent(loss));
  set(node, "data-loss", loss === null ? "none" : loss >= BAD ? "bad" : loss >= NOTICED ? "noticed" : "good");
}

/** What stands where there is nothing to show. */
export function emptiness(title, hint) {
  const heading = h("h2", {}, title);
  const text = h("p", { class: "hint" }, hint);
  const element = h("div", { class: "empty", role: "status" }, heading, text);
  return {
    element,
    say(words, more) {
      write(heading, words);
      write(text, more);
    },
  };
}

/** Bars that stand for what is still to come. */
export function loading(label) {
  return h("div", { class: "loading", role: "status", "aria-label": label }, h("i"), h("i"), h("i"));
}

export function back(href, label) {
  return h("a", { class: "up-to", href }, icon("back"), h("span", {}, label));
}

/** A heading that takes the focus when its view comes, to be read. */
export function title(text) {
  return h("h1", { tabindex: "-1" }, text);
}
