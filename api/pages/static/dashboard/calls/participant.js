// One person, as an app knows them: the conferences they were in, what went wrong there; and how what they told is erased.

import { Rows, h, table, write } from "../dom.js";
import { exact } from "../format.js";
import { back, emptiness, loading, title } from "../parts.js";
import { Poller } from "../poller.js";
import { conferenceRow } from "./conferences.js";
import { ask } from "./forms.js";
import { devices, facts } from "./people.js";
import { iso, named } from "./words.js";

const REFRESH_MS = 30_000;
const PAGE = 50;
const COLUMNS = ["Conference", "Began", "Lasted", "People", "Issues"].map((label, at) => ({ name: String(at), label, number: at === 2 || at === 3 }));

export class ParticipantView {
  title = "Person";
  element;
  #context;
  #id;
  #poller;
  #heading = title("Person");
  #about = h("p", { class: "about" });
  #loading = loading("Loading the person");
  #gone = emptiness("There is no such person", "What is old is not kept for ever.");
  #table = table("Conferences", COLUMNS, { class: "listing conferences" });
  #rows = new Rows(this.#table.body, conferenceRow);
  #sessions = h("ul", { class: "people" });
  #issues = h("ul", { class: "issues" });
  #noSessions = h("p", { class: "hint" }, "None.");
  #none = h("p", { class: "hint" }, "None.");
  #body;

  constructor(context, id) {
    this.#context = context;
    this.#id = encodeURIComponent(id); // of the address, which anybody may have written
    this.#gone.element.hidden = true;
    const erase = h("button", { type: "button", class: "quiet ends" }, "Erase what they told");
    erase.addEventListener("click", () => this.#erase());
    this.#body = h("div", { hidden: true },
      h("section", {}, h("div", { class: "heading" }, h("h2", {}, "Conferences")), this.#table.element),
      h("section", {}, h("div", { class: "heading" }, h("h2", {}, "Sessions of the last 30 days")), this.#sessions, this.#noSessions),
      h("section", {}, h("div", { class: "heading" }, h("h2", {}, "Issues")), this.#issues, this.#none));
    this.element = h("div", { class: "view" }, back("#/calls", "Calls"),
      h("div", { class: "heading" }, h("div", {}, this.#heading, this.#about), erase),
      this.#loading, this.#body, this.#gone.element);
    const on = { answer: (known) => this.#paint(known), refusal: () => this.#left(), shell: context.shell };
    this.#poller = new Poller((signal) => this.#ask(signal), REFRESH_MS, on);
  }

  start() {
    this.#poller.start();
  }

  stop() {
    this.#poller.stop();
  }

  async #ask(signal) {
    const { client } = this.#context;
    const [person, conferences, issues, sessions] = await Promise.all([
      client.get(`/analytics/v1/participants/${this.#id}`, signal),
      client.get(`/analytics/v1/conferences?participantId=${this.#id}&order=-created_at&limit=${PAGE}`, signal),
      client.get(`/analytics/v1/issues?participantId=${this.#id}&order=-created_at&limit=${PAGE}`, signal),
      client.get(`/analytics/v1/sessions?participantId=${this.#id}&order=-created_at&limit=${PAGE}`, signal),
    ]);
    return { person: person.data, conferences: conferences.results, issues: issues.results, sessions: sessions.results };
  }

  #left() {
    this.#loading.hidden = true;
    this.#body.hidden = true;
    this.#gone.element.hidden = false;
  }

  #paint({ person, conferences, issues, sessions }) {
    const name = named(person.participant_name, person.participant_id);
    this.title = name;
    this.#context.shell.title(name);
    write(this.#heading, name);
    write(this.#about, `${person.participant_id} · first seen ${exact(iso(person.created_at))}`);
    this.#rows.update(conferences, (each) => each.id, () => this.#heading.focus());
    this.#noSessions.hidden = sessions.length > 0;
    this.#sessions.replaceChildren(...sessions.map((session) => h("li", {},
      h("a", { href: `#/calls/conferences/${session.conference}` }, exact(iso(session.created_at))),
      ...[facts(session), devices(session)].filter((text) => text !== "").map((text) => h("p", { class: "hint" }, text)))));
    this.#none.hidden = issues.length > 0;
    this.#issues.replaceChildren(...issues.map((issue) => h("li", { "data-type": issue.type },
      h("a", { href: `#/calls/conferences/${issue.conference}` }, issue.title), h("span", {}, ` · ${exact(iso(issue.created_at))}`),
      h("p", { class: "hint" }, issue.explanation))));
    this.#loading.hidden = true;
    this.#body.hidden = false;
  }

  #erase() {
    const text = "Their events, tracks, devices, browser, place and name go for good. That they were in these conferences, and for how long, stays.";
    ask("Erase what they told?", text, [], "Erase", async () => {
      await this.#context.client.delete(`/analytics/v1/participants/${this.#id}/data`);
      this.#poller.now();
    }, { danger: true });
  }
}
