// All licences: what runs under each, and what it may have.

import { Rows, h, row, set, table, write } from "./dom.js";
import { count, onDate } from "./format.js";
import { emptiness, figures, loading, title } from "./parts.js";
import { Poller } from "./poller.js";

const REFRESH_MS = 5000;

const COLUMNS = [
  { name: "domain", label: "Domain" },
  { name: "rooms", label: "Running sessions" },
  { name: "people", label: "People", number: true },
  { name: "users", label: "User limit", number: true, title: "Users connected at once" },
  { name: "code", label: "cpCode" },
  { name: "key", label: "accessKey" },
  { name: "made", label: "Since" },
];

export class LicencesView {
  title = "Licences";
  element;
  #context;
  #poller;
  #heading = title("Licences");
  #figures = figures([["licences", "Licences"], ["sessions", "Running sessions"], ["people", "People"]]);
  #loading = loading("Loading the licences");
  #empty = emptiness(
    "There is no licence",
    "A licence is a customer with rooms, users and limits of its own: atrium licence add --domain … makes one.",
  );
  #table = table("Licences", COLUMNS, { class: "listing licences", hidden: true });
  #rows = new Rows(this.#table.body, licenceRow);

  constructor(context) {
    this.#context = context;
    this.#empty.element.hidden = true;
    this.element = h("div", { class: "view" }, h("div", { class: "heading" }, this.#heading),
      this.#figures.element, this.#loading, this.#table.element, this.#empty.element);
    const ask = (signal) => context.client.get("/v1/live/licences", signal);
    const on = { answer: ({ licences }) => this.#answer(licences), refusal: () => {}, shell: context.shell };
    this.#poller = new Poller(ask, REFRESH_MS, on);
  }

  start() {
    const known = this.#context.recall("licences list");
    if (known !== undefined) this.#paint(known);
    this.#poller.start();
  }

  stop() {
    this.#poller.stop();
  }

  #answer(licences) {
    this.#context.remember("licences list", licences);
    this.#paint(licences);
  }

  #paint(licences) {
    const { cells } = this.#figures;
    write(cells.licences, count(licences.length));
    write(cells.sessions, count(licences.reduce((sum, each) => sum + each.running_sessions, 0)));
    write(cells.people, count(licences.reduce((sum, each) => sum + each.people, 0)));
    this.#rows.update(licences, (each) => each.id, () => this.#heading.focus());
    this.#loading.hidden = true;
    this.#table.element.hidden = licences.length === 0;
    this.#empty.element.hidden = licences.length > 0;
  }
}

function licenceRow(licence) {
  const { element, cells } = row(COLUMNS, { "data-licence": licence.id });
  const link = h("a", { href: `#/licences/${encodeURIComponent(licence.id)}` });
  const disabled = h("span", { class: "chip off" }, "disabled");
  const rooms = ofLimit();
  const key = h("code");
  cells.domain.append(link, disabled);
  cells.rooms.append(rooms.element);
  cells.key.append(key);
  const paint = (now) => {
    write(link, now.domain);
    disabled.hidden = now.enabled;
    rooms.paint(now.running_sessions, now.room_limit);
    write(cells.people, count(now.people));
    write(cells.users, now.max_users === null ? "none" : count(now.max_users));
    write(cells.code, now.cp_code ?? "–");
    write(key, now.access_key);
    write(cells.made, onDate(now.created_at));
  };
  return { element, paint };
}

/** "3 of 10", and how full that is. */
export function ofLimit() {
  const number = h("span");
  const most = h("small");
  const bar = h("i");
  const gauge = h("span", { class: "gauge", "aria-hidden": "true" }, bar);
  const element = h("span", { class: "of-limit" }, number, " ", most, " ", gauge);
  const paint = (used, limit) => {
    write(number, count(used));
    write(most, limit === null ? "no limit" : `of ${count(limit)}`);
    gauge.hidden = limit === null;
    const full = limit === null ? 0 : limit === 0 ? 1 : Math.min(1, used / limit);
    bar.style.setProperty("inline-size", `${full * 100}%`);
    set(gauge, "data-full", full >= 1);
  };
  return { element, paint };
}
