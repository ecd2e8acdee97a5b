// One licence: what runs under it, and how much it was used day by day, as a chart and as a table.

import { icon } from "../page.js";
import { DayChart } from "./chart.js";
import { Rows, h, row, set, table, write } from "./dom.js";
import { count, counted, duration, exact, longDay, onDate, usage } from "./format.js";
import { ofLimit } from "./licences.js";
import { back, emptiness, figures, loading, title } from "./parts.js";
import { Poller } from "./poller.js";

const REFRESH_MS = 3000;
const USAGE_REFRESH_MS = 60_000;
const RANGES = [30, 90];

const FIGURES = [
  ["rooms", "Running sessions"],
  ["people", "People"],
  ["users", "User limit"],
  ["key", "accessKey"],
  ["made", "Since"],
];
const SESSIONS = [
  { name: "room", label: "Room" },
  { name: "since", label: "Running" },
  { name: "people", label: "People", number: true },
  { name: "id", label: "Session" },
];
const DAYS = [
  { name: "day", label: "Day" },
  { name: "time", label: "Time", number: true },
  { name: "sessions", label: "Sessions", number: true },
];

export class LicenceView {
  title = "Licence";
  element;
  #context;
  #id;
  #pollers = [];
  #range;
  #heading = title("Licence");
  #about = h("p", { class: "about" });
  #disabled = h("span", { class: "chip off", hidden: true }, "disabled");
  #figures = figures(FIGURES);
  #rooms = ofLimit();
  #loading = loading("Loading the licence");
  #body;
  #gone = emptiness("There is no such licence", "It may have been removed, or it is not yours to see.");
  #sessions = table("Running sessions", SESSIONS, { class: "listing sessions", hidden: true });
  #sessionRows;
  #noSessions = h("p", { class: "hint" }, "Nobody is in a room of this licence now.");
  #total = h("p", { class: "about", "aria-live": "polite" });
  #chart = new DayChart();
  #refused = h("p", { class: "hint", role: "status", hidden: true });
  #days = table("Usage by day", DAYS, { class: "listing days" });
  #dayRows = new Rows(this.#days.body, dayRow);
  #numbers = h("details", { class: "numbers" }, h("summary", {}, "As a table"), this.#days.element);

  constructor(context, id) {
    this.#context = context;
    this.#id = id;
    this.#range = context.keep("usage", { days: RANGES[0] });
    this.#sessionRows = new Rows(this.#sessions.body, (session) => sessionRow(session, context.client));
    this.#figures.cells.rooms.replaceChildren(this.#rooms.element);
    this.#body = h("div", { hidden: true }, this.#figures.element,
      h("section", { class: "panel-like" },
        h("div", { class: "heading" }, h("div", {}, h("h2", {}, "Usage"), this.#total), this.#ranges()),
        this.#chart.element, this.#refused, this.#numbers),
      h("section", {},
        h("div", { class: "heading" }, h("h2", {}, "Running sessions")), this.#sessions.element, this.#noSessions));
    this.#gone.element.hidden = true;
    const holder = context.viewer.kind === "holder";
    this.element = h("div", { class: "view" }, holder ? "" : back("#/licences", "Licences"),
      h("div", { class: "heading" }, h("div", {}, h("div", { class: "titled" }, this.#heading, this.#disabled), this.#about)),
      this.#loading, this.#body, this.#gone.element);
  }

  start() {
    const { client, shell } = this.#context;
    const path = `/v1/live/licences/${encodeURIComponent(this.#id)}`;
    const on = { answer: ({ licence }) => this.#paint(licence), refusal: () => this.#left(), shell };
    this.#pollers = [new Poller((signal) => client.get(path, signal), REFRESH_MS, on)];
    this.#pollers[0].start();
    this.#askUsage();
  }

  stop() {
    for (const poller of this.#pollers) poller.stop();
    this.#chart.close();
  }

  #askUsage() {
    const { client, shell } = this.#context;
    const path = `/v1/live/licences/${encodeURIComponent(this.#id)}/usage?days=${this.#range.days}`;
    const on = { answer: (answer) => this.#paintUsage(answer.usage), refusal: (error) => this.#noUsage(error), shell };
    this.#pollers[1]?.stop();
    this.#pollers[1] = new Poller((signal) => client.get(path, signal), USAGE_REFRESH_MS, on);
    this.#pollers[1].start();
  }

  #ranges() {
    const choices = RANGES.map((days) => {
      const choice = h("input", { type: "radio", name: "range", value: days, checked: days === this.#range.days });
      choice.addEventListener("change", () => {
        this.#range.days = days;
        this.#askUsage();
      });
      return h("label", {}, choice, h("span", {}, `${days} days`));
    });
    return h("fieldset", { class: "either" }, h("legend", { class: "unheard" }, "How far back"), ...choices);
  }

  #paint(licence) {
    if (this.title !== licence.domain) {
      this.title = licence.domain;
      this.#context.shell.title(licence.domain);
      write(this.#heading, licence.domain);
    }
    this.#disabled.hidden = licence.enabled;
    write(this.#about, licence.cp_code === null ? "A licence" : `cpCode ${licence.cp_code}`);
    const { cells } = this.#figures;
    this.#rooms.paint(licence.running_sessions, licence.room_limit);
    write(cells.people, count(licence.people));
    write(cells.users, licence.max_users === null ? "none" : count(licence.max_users));
    write(cells.key, licence.access_key);
    set(cells.key, "class", "mono");
    write(cells.made, onDate(licence.created_at));
    this.#sessions.element.hidden = licence.sessions.length === 0;
    this.#noSessions.hidden = licence.sessions.length > 0;
    this.#sessionRows.update(licence.sessions, (session) => session.session_id, () => this.#heading.focus());
    this.#show(true);
  }

  #left() {
    this.#show(false);
  }

  #show(known) {
    this.#loading.hidden = true;
    this.#body.hidden = !known;
    this.#gone.element.hidden = known;
  }

  #paintUsage({ days, seconds, sessions, time_zone }) {
    this.#refused.hidden = true;
    this.#chart.element.hidden = this.#numbers.hidden = false;
    const all = sessions === 0 ? "Not used" : `${usage(seconds)} in ${counted(sessions, "session")}`;
    write(this.#total, `${all} in the last ${days.length} days (${time_zone})`);
    this.#chart.paint(days);
    this.#dayRows.update([...days].reverse(), (each) => each.day);
  }

  #noUsage(error) {
    this.#chart.element.hidden = this.#numbers.hidden = true;
    this.#refused.hidden = false;
    write(this.#refused, `The server cannot say: ${error.message}.`);
  }
}

function sessionRow(session, client) {
  const { element, cells } = row(SESSIONS, { "data-session": session.session_id });
  const link = h("a", { href: `#/rooms/${encodeURIComponent(session.room)}` });
  const since = h("time", { datetime: session.began_at, title: exact(session.began_at) });
  cells.room.append(link);
  cells.since.append(since);
  cells.id.append(h("code", {}, session.session_id));
  const paint = (now) => {
    write(link, now.room_name);
    write(since, duration((client.now() - Date.parse(now.began_at)) / 1000));
    write(cells.people, count(now.people));
  };
  return { element, paint };
}

function dayRow() {
  const { element, cells } = row(DAYS);
  const paint = (now) => {
    set(element, "data-day", now.day);
    write(cells.day, longDay(now.day));
    write(cells.time, usage(now.seconds));
    write(cells.sessions, count(now.sessions));
  };
  return { element, paint };
}
