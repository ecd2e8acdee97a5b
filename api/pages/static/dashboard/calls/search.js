// What is called much like the words that somebody types: a box for every page of the calls, and the page of what it finds.

import { icon } from "../../page.js";
import { Away, Refused, Unwelcome } from "../client.js";
import { h, write } from "../dom.js";
import { counted } from "../format.js";
import { emptiness, loading, title } from "../parts.js";
import { Poller } from "../poller.js";
import { named } from "./words.js";

const REFRESH_MS = 60_000;
const PAUSE_MS = 250; // of typing, before it is searched
const PLACES = { conference: "conferences", participant: "participants", apps: "apps" };
const KINDS = { conference: "Conference", participant: "Person", app: "App", organization: "Organization" };

/** While one types, what is found shows below; arrow keys go through it, Escape closes it, Enter opens the page of all of it. */
export function searchBox(context, words = "") {
  const found = h("ul", { class: "found matches", hidden: true, "aria-label": "Found" });
  const news = h("span", { class: "unheard", role: "status" });
  const input = h("input", {
    type: "search", maxlength: "64", value: words, placeholder: "Search calls", "aria-label": "Search calls and people", autocomplete: "off",
  });
  const form = h("form", { class: "searching", role: "search" }, icon("search"), input, found, news);
  let timer = 0;
  let asked = 0; // answers to former words come too late
  const look = async (wanted) => {
    const mine = ++asked;
    try {
      const { matches } = await context.client.get(`/analytics/v1/search?query=${encodeURIComponent(wanted)}`);
      if (mine !== asked || !form.isConnected) return;
      found.replaceChildren(...matches.map(matchItem));
      found.hidden = matches.length === 0;
      write(news, counted(matches.length, "match", "matches"));
    } catch (error) {
      if (error instanceof Unwelcome) context.shell.unwelcome();
      else if (!(error instanceof Away || error instanceof Refused)) throw error; // else what polls says what is wrong
    }
  };
  const close = () => {
    clearTimeout(timer);
    asked += 1;
    found.hidden = true;
  };
  input.addEventListener("input", () => {
    close();
    const wanted = input.value.trim();
    if (wanted !== "") timer = setTimeout(look, PAUSE_MS, wanted);
  });
  form.addEventListener("keydown", (event) => {
    const links = found.hidden ? [] : [...found.querySelectorAll("a")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (links.length === 0 || (step === undefined && event.key !== "Escape")) return;
    event.preventDefault();
    if (step === undefined) {
      input.focus();
      close();
    } else {
      const to = links.indexOf(document.activeElement) + step;
      (links[Math.min(to, links.length - 1)] ?? input).focus();
    }
  });
  form.addEventListener("focusout", ({ relatedTarget }) => relatedTarget !== null && !form.contains(relatedTarget) && close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = input.value.trim();
    close();
    if (wanted !== "") location.hash = `#/calls/search/${encodeURIComponent(wanted)}`;
  });
  return form;
}

function matchItem({ name, id, url, type }) {
  const [, kind, uuid] = url.split("/");
  const href = kind in PLACES ? `#/calls/${PLACES[kind]}/${uuid}` : "#/calls";
  const own = id === "" || id === name ? null : h("code", {}, id);
  return h("li", {}, h("a", { href }, h("span", { class: "chip" }, KINDS[type] ?? type), h("b", {}, named(name, id)), own));
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
    this.#list.replaceChildren(...matches.map(matchItem));
  }
}
