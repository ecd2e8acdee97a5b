// What is called much like the words that somebody types: a box for every page of the calls, and the page of what it finds.

import { icon } from "../../page.js";
import { h } from "../dom.js";
import { emptiness, loading, title } from "../parts.js";
import { Poller } from "../poller.js";
import { named } from "./words.js";

const REFRESH_MS = 60_000;
const PLACES = { conference: "conferences", participant: "participants", apps: "apps" };
const KINDS = { conference: "Conference", participant: "Person", app: "App", organization: "Organization" };

export function searchBox(context, words = "") {
  const input = h("input", {
    type: "search", maxlength: "64", value: words, placeholder: "Search calls and people", "aria-label": "Search calls and people",
  });
  const form = h("form", { class: "searching", role: "search" }, icon("search"), input);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = input.value.trim();
    if (wanted !== "") location.hash = `#/calls/search/${encodeURIComponent(wanted)}`;
  });
  return form;
}

export class SearchView {
  title = "Search";
  element;
  #poller;
  #loading = loading("Searching");
  #list = h("ul", { class: "matches" });
  #empty;

  constructor(context, words) {
    this.#empty = emptiness("Nothing is called like that", "Conferences and people are found by their names and ids, also by parts of them.");
    this.#empty.element.hidden = true;
    this.element = h("div", { class: "view" },
      h("div", { class: "heading" }, title(`Like “${words}”`), h("div", { class: "tools" }, searchBox(context, words))),
      this.#loading, this.#list, this.#empty.element);
    const path = `/analytics/v1/search?query=${encodeURIComponent(words.slice(0, 64))}`;
    const on = { answer: (answer) => this.#paint(answer.matches), refusal: () => this.#paint([]), shell: context.shell };
    this.#poller = new Poller((signal) => context.client.get(path, signal), REFRESH_MS, on);
  }

  start() {
    this.#poller.start();
  }

  stop() {
    this.#poller.stop();
  }

  #paint(matches) {
    this.#loading.hidden = true;
    this.#empty.element.hidden = matches.length > 0;
    this.#list.replaceChildren(...matches.map(({ name, id, url, type }) => {
      const [, kind, uuid] = url.split("/");
      const href = kind in PLACES ? `#/calls/${PLACES[kind]}/${uuid}` : "#/calls";
      const own = id === "" || id === name ? null : h("code", {}, id);
      return h("li", {}, h("a", { href }, h("span", { class: "chip" }, KINDS[type] ?? type), h("b", {}, named(name, id)), own));
    }));
  }
}
