// The events of a conference as a table, in pages: of whom, of what kind, by whose word.

import { Unwelcome } from "../client.js";
import { Rows, h, row, set, table, write } from "../dom.js";
import { count } from "../format.js";
import { brief, eventName, gravity, precise, viewOf } from "./words.js";

const PAGE = 200;
const COLUMNS = [
  { name: "at", label: "Time" },
  { name: "who", label: "Who" },
  { name: "view", label: "Seen by" },
  { name: "what", label: "What" },
  { name: "data", label: "Data" },
];
/** By what is chosen: the path that lists it, and the type it asks for. */
const KINDS = {
  "-stats": ["All but statistics", null, "-stats"],
  "": ["All", null, ""],
  stats: ["Statistics", null, "stats"],
  connection: ["Connections", "connection", ""],
  media: ["Camera and microphone", "events/get-user-media", ""],
  browser: ["Page and app", "events/browser", ""],
};

export class EventList {
  element;
  #context;
  #id;
  #personOf; // (participant's id) → a name
  #sessions = new Map(); // by id
  #table = table("Events", COLUMNS, { class: "listing events" });
  #rows = new Rows(this.#table.body, (event) => this.#row(event));
  #who = h("select", { "aria-label": "Whose events" });
  #which = choice("Which events", Object.entries(KINDS).map(([value, [label]]) => [value, label]));
  #view = choice("Seen by whom", [["", "Both views"], ["browser", "Browser"], ["server", "Server"]]);
  #more = h("button", { type: "button", class: "quiet", hidden: true }, "More");
  #note = h("p", { class: "hint", role: "status" });
  #loaded = [];
  #count = 0;
  #asked = 0; // answers of an earlier choice come too late
  #busy = false;
  #ended = new AbortController();

  constructor(context, id, personOf) {
    this.#context = context;
    this.#id = id;
    this.#personOf = personOf;
    for (const each of [this.#who, this.#which, this.#view]) each.addEventListener("change", () => this.load());
    this.#more.addEventListener("click", () => this.#ask());
    this.element = h("section", {}, h("div", { class: "heading" }, h("h2", {}, "Events"),
      h("div", { class: "tools" }, this.#who, this.#which, this.#view)),
    this.#table.element, this.#note, h("div", { class: "pages" }, this.#more));
  }

  /** people: [[id, name], …]; sessions: as the server lists them. */
  know(people, sessions) {
    this.#sessions = new Map(sessions.map((each) => [each.id, each]));
    fill(this.#who, [["", "Everybody"], ...people]);
  }

  /** From the first page on. */
  load() {
    this.#loaded = [];
    this.#count = 0;
    this.#asked += 1;
    this.#busy = false;
    return this.#ask();
  }

  /** What has happened since, unless there are pages in between that nobody has asked for. */
  follow() {
    if (!this.#busy && this.#loaded.length >= this.#count) this.#ask();
  }

  /** Shows an event in the table; false if it is not there. */
  pick(event) {
    const found = this.#table.body.querySelector(`[data-event="${CSS.escape(event.id)}"]`);
    for (const each of this.#table.body.querySelectorAll("[data-picked]")) set(each, "data-picked", null);
    if (found === null) return false;
    set(found, "data-picked", true);
    found.scrollIntoView({ block: "center", behavior: "smooth" });
    return true;
  }

  close() {
    this.#ended.abort();
  }

  async #ask() {
    const mine = this.#asked;
    const [, place, type] = KINDS[this.#which.value];
    const query = new URLSearchParams({ limit: PAGE, offset: this.#loaded.length });
    if (type !== "") query.set("type", type);
    if (this.#who.value !== "") query.set("participantId", this.#who.value);
    if (this.#view.value !== "") query.set("view", this.#view.value);
    if (place !== null) query.set("conferenceId", this.#id);
    const path = place ?? `conferences/${encodeURIComponent(this.#id)}/events`;
    this.#busy = true;
    try {
      const { results, count: all } = await this.#context.client.get(`/analytics/v1/${path}?${query}`, this.#ended.signal);
      if (mine !== this.#asked) return;
      this.#loaded.push(...results);
      this.#count = all;
      this.#paint();
    } catch (error) {
      if (this.#ended.signal.aborted || mine !== this.#asked) return;
      if (error instanceof Unwelcome) return this.#context.shell.unwelcome();
      write(this.#note, `The server cannot say: ${error.message}.`);
      write(this.#more, "Again");
      this.#more.hidden = false;
    } finally {
      if (mine === this.#asked) this.#busy = false;
    }
  }

  #paint() {
    const left = this.#count - this.#loaded.length;
    this.#rows.update(this.#loaded, (event) => event.id);
    this.#table.element.hidden = this.#loaded.length === 0;
    this.#more.hidden = left <= 0;
    write(this.#more, `More (${count(left)})`);
    write(this.#note, this.#loaded.length === 0 ? "No such event" : "");
  }

  #viewOf(event) {
    const session = this.#sessions.get(event.session);
    return session === undefined ? "browser" : viewOf(session);
  }

  #row(event) {
    const { element, cells } = row(COLUMNS, { "data-gravity": gravity(event), "data-event": event.id });
    const paint = () => {
      write(cells.at, precise(event.created_at));
      write(cells.who, this.#personOf(event.participant));
      write(cells.view, this.#viewOf(event));
      write(cells.what, eventName(event));
      write(cells.data, brief(event.data));
    };
    return { element, paint };
  }
}

function choice(label, options) {
  return h("select", { "aria-label": label }, ...options.map(([value, text]) => h("option", { value }, text)));
}

/** Options of a select, [[value, label], …]; what was chosen stays so, and an open list is left alone if nothing is new. */
export function fill(select, options) {
  const chosen = select.value;
  const same = options.length === select.options.length && options.every(([value, label], at) =>
    select.options[at].value === value && select.options[at].label === label);
  if (same) return;
  select.replaceChildren(...options.map(([value, label]) => h("option", { value }, label)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}
