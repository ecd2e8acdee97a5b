// The conferences of an app, newest first, page by page; all of them, or those with a certain issue.

import { Rows, h, row, set, table, write } from "../dom.js";
import { count, duration, exact } from "../format.js";
import { back, emptiness, loading, title } from "../parts.js";
import { Poller } from "../poller.js";
import { fill } from "./events.js";
import { searchBox } from "./search.js";
import { iso, named } from "./words.js";

const REFRESH_MS = 10_000;
const PAGE = 50;
const COLUMNS = [
  { name: "name", label: "Conference" },
  { name: "start", label: "Began" },
  { name: "lasted", label: "Lasted", number: true },
  { name: "people", label: "People", number: true },
  { name: "marks", label: "Issues" },
];

export class ConferencesView {
  title = "Conferences";
  element;
  #context;
  #app;
  #issue;
  #days;
  #issues = h("select", { "aria-label": "With the issue" });
  #ended = new AbortController();
  #at = 0;
  #count = 0;
  #poller = null;
  #heading = title("Conferences");
  #loading = loading("Loading the conferences");
  #table = table("Conferences", COLUMNS, { class: "listing conferences", hidden: true });
  #rows = new Rows(this.#table.body, conferenceRow);
  #empty = emptiness("No conference", "None that is like that, at least.");
  #newer = h("button", { type: "button", class: "quiet" }, "Newer");
  #older = h("button", { type: "button", class: "quiet" }, "Older");
  #place = h("span", { class: "hint", "aria-live": "polite" });

  constructor(context, app, issue = "") {
    this.#context = context;
    this.#app = encodeURIComponent(app);
    this.#issue = issue;
    this.#empty.element.hidden = true;
    const from = h("input", { type: "date", "aria-label": "From" });
    const to = h("input", { type: "date", "aria-label": "Until" });
    this.#days = { from, to };
    for (const each of [from, to]) each.addEventListener("change", () => this.#turn(-this.#at));
    this.#newer.addEventListener("click", () => this.#turn(-PAGE));
    this.#older.addEventListener("click", () => this.#turn(PAGE));
    this.#issues.addEventListener("change", () => {
      location.hash = `#/calls/apps/${this.#app}/conferences${this.#issues.value === "" ? "" : `/${this.#issues.value}`}`;
    });
    this.#offer([]);
    const only = issue === "" ? "" : h("p", { class: "about" }, "With the issue ", h("code", {}, issue), " · ",
      h("a", { href: `#/calls/apps/${this.#app}/conferences` }, "show all"));
    this.element = h("div", { class: "view" }, back(`#/calls/apps/${this.#app}`, "Overview"),
      h("div", { class: "heading" }, h("div", {}, this.#heading, only), h("div", { class: "tools" }, searchBox(context), this.#issues, from, to)),
      this.#loading, this.#table.element, this.#empty.element,
      h("div", { class: "pages" }, this.#newer, this.#place, this.#older));
  }

  start() {
    this.#turn(0);
    this.#askIssues();
  }

  /** Which there have been at all; without an answer there is no choice, and what polls says why. */
  async #askIssues() {
    try {
      const { data } = await this.#context.client.get(`/analytics/v1/issues/summary?appId=${this.#app}`, this.#ended.signal);
      this.#offer(data.map(({ code, title }) => [code, title]));
    } catch {
      // As said.
    }
  }

  #offer(issues) {
    const chosen = this.#issue === "" || issues.some(([code]) => code === this.#issue) ? [] : [[this.#issue, this.#issue]];
    fill(this.#issues, [["", "With any or no issue"], ...chosen, ...issues]);
    this.#issues.value = this.#issue;
  }

  stop() {
    this.#ended.abort();
    this.#poller?.stop();
  }

  #turn(by) {
    const { client, shell } = this.#context;
    this.#at = Math.max(0, this.#at + by);
    this.#poller?.stop();
    const query = new URLSearchParams({ appId: decodeURIComponent(this.#app), limit: PAGE, offset: this.#at, order: "-created_at" });
    if (this.#issue !== "") query.set("issue_code", this.#issue);
    if (this.#days.from.value !== "") query.set("created_at_gte", this.#days.from.value);
    if (this.#days.to.value !== "") query.set("created_at_lte", `${this.#days.to.value}T23:59:59.999999Z`);
    const on = { answer: (answer) => this.#paint(answer), refusal: () => this.#paint({ results: [], count: 0 }), shell };
    this.#poller = new Poller((signal) => client.get(`/analytics/v1/conferences?${query}`, signal), REFRESH_MS, on);
    this.#poller.start();
  }

  #paint({ results, count: all }) {
    this.#count = all;
    this.#loading.hidden = true;
    this.#table.element.hidden = results.length === 0;
    this.#empty.element.hidden = results.length > 0;
    this.#rows.update(results, (each) => each.id, () => this.#heading.focus());
    this.#newer.disabled = this.#at === 0;
    this.#older.disabled = this.#at + PAGE >= this.#count;
    const last = Math.min(this.#at + PAGE, all);
    write(this.#place, all === 0 ? "" : `${count(this.#at + 1)} to ${count(last)} of ${count(all)}`);
  }
}

export function conferenceRow(conference) {
  const { element, cells } = row(COLUMNS, { "data-conference": conference.id });
  const link = h("a", { href: `#/calls/conferences/${conference.id}` });
  const own = h("span", { class: "own" });
  const at = iso(conference.start_time ?? conference.created_at);
  const live = h("span", { class: "chip", "data-state": "connected" }, "going on");
  const error = h("span", { class: "chip off" }, "■ errors");
  const warning = h("span", { class: "chip waits" }, "▲ warnings");
  const none = h("span", { class: "hint" }, "none");
  cells.name.append(link, " ", own);
  cells.start.append(h("time", { datetime: at, title: exact(at) }, exact(at)));
  cells.marks.append(live, error, warning, none);
  const paint = (now) => {
    write(link, named(now.conference_name, now.conference_id));
    write(own, now.conference_name === null ? "" : now.conference_id);
    write(cells.lasted, now.ongoing && now.duration === 0 ? "…" : duration(now.duration));
    write(cells.people, count(now.participants_count));
    live.hidden = !now.ongoing;
    error.hidden = !now.has_errors;
    warning.hidden = !now.has_warnings;
    none.hidden = now.ongoing || now.has_errors || now.has_warnings;
    set(element, "data-ongoing", now.ongoing);
  };
  return { element, paint };
}
