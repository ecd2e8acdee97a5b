// One conference: who was there, what went wrong, what happened as browsers and as the server have seen it, and how media flowed.

import { h, set, write } from "../dom.js";
import { count, duration, exact } from "../format.js";
import { back, emptiness, figures, loading, title } from "../parts.js";
import { Poller } from "../poller.js";
import { EventList } from "./events.js";
import { Graphs } from "./graphs.js";
import { personItem, present } from "./people.js";
import { Timeline, legend } from "./timeline.js";
import { brief, iso, moment, named, precise, viewOf } from "./words.js";

const REFRESH_MS = 5000;
const DRAWN = 1000; // events of the timeline
const PAGE = 200;
const SHOWN = 6; // issues of one kind
const FIGURES = [["start", "Began"], ["lasted", "Lasted"], ["people", "People"], ["errors", "Errors"], ["warnings", "Warnings"]];
const VIEW_ORDER = ["browser", "server"];

export class ConferenceView {
  title = "Conference";
  element;
  #context;
  #id;
  #poller = null;
  #known = null; // {conference, participants, sessions, connections, issues, events, count}
  #heading = title("Conference");
  #about = h("p", { class: "about" });
  #chip = h("span", { class: "chip", "data-state": "connected", hidden: true }, "going on");
  #live = h("a", { class: "button-like", hidden: true }, "Live room");
  #figures = figures(FIGURES);
  #loading = loading("Loading the conference");
  #gone = emptiness("There is no such conference", "It may have been removed: what is old is not kept for ever.");
  #issues = h("ul", { class: "issues" });
  #noIssues = h("p", { class: "hint" }, "Nothing that anybody noticed.");
  #people = h("ul", { class: "people" });
  #timeline = new Timeline();
  #drawn = h("p", { class: "hint" });
  #graphs;
  #events;
  #body;
  #ended = new AbortController();

  constructor(context, id) {
    this.#context = context;
    this.#id = id;
    this.#gone.element.hidden = true;
    this.#graphs = new Graphs(context, id);
    this.#events = new EventList(context, id, (person) => this.#person(person));
    const exports = ["json", "csv"].map((format) => {
      const button = h("button", { type: "button", class: "quiet" }, `Export ${format.toUpperCase()}`);
      button.addEventListener("click", () => this.#export(format));
      return button;
    });
    const section = (name, ...rest) => h("section", {}, h("div", { class: "heading" }, h("h2", {}, name)), ...rest);
    this.#body = h("div", { hidden: true }, this.#figures.element,
      section("Issues", this.#issues, this.#noIssues),
      section("Timeline", h("div", { class: "panel-like" }, this.#timeline.element, legend(), this.#drawn)),
      this.#graphs.element,
      section("People", this.#people),
      this.#events.element);
    this.element = h("div", { class: "view" }, back("#/calls", "Calls"),
      h("div", { class: "heading" }, h("div", {}, h("div", { class: "titled" }, this.#heading, this.#chip), this.#about),
        h("div", { class: "tools" }, this.#live, ...exports)),
      this.#loading, this.#body, this.#gone.element);
  }

  start() {
    const on = { answer: (known) => this.#paint(known), refusal: () => this.#left(), shell: this.#context.shell };
    this.#poller = new Poller((signal) => this.#ask(signal), REFRESH_MS, on);
    this.#poller.start();
  }

  stop() {
    this.#ended.abort();
    this.#poller.stop();
    this.#graphs.close();
    this.#events.close();
  }

  /** What is over does not change: it is asked for once. */
  async #ask(signal) {
    if (this.#known !== null && !this.#known.conference.ongoing) {
      const { data } = await this.#get("", signal);
      return data.ongoing || data.end_time !== this.#known.conference.end_time ? this.#all(data, signal) : this.#known;
    }
    return this.#all((await this.#get("", signal)).data, signal);
  }

  async #all(conference, signal) {
    const of = async (what) => (await this.#context.client.get(`/analytics/v1/${what}?conferenceId=${encodeURIComponent(this.#id)}`, signal)).data;
    const [participants, connections, issues, sessions, events] = await Promise.all([
      of("participants"), of("connections"), of("issues"),
      Promise.all(conference.participants.length === 0 ? [] : [of("sessions")]).then(([found = []]) => found),
      this.#pages(`/events?type=-stats`, DRAWN, signal),
    ]);
    return { conference, participants, connections, issues, sessions, ...events };
  }

  /** The count comes with the first page; the others need not wait for each other then. */
  async #pages(path, most, signal) {
    const page = (offset) => this.#get(`${path}&limit=${PAGE}&offset=${offset}`, signal);
    const { results, count: all } = await page(0);
    const offsets = [];
    for (let at = PAGE; at < Math.min(all, most); at += PAGE) offsets.push(at);
    const rest = await Promise.all(offsets.map(page));
    return { events: [...results, ...rest.flatMap((each) => each.results)], count: all };
  }

  #get(path, signal) {
    return this.#context.client.get(`/analytics/v1/conferences/${encodeURIComponent(this.#id)}${path}`, signal);
  }

  #left() {
    this.#loading.hidden = true;
    this.#body.hidden = true;
    this.#gone.element.hidden = false;
  }

  #paint(known) {
    const isFirst = this.#known === null;
    if (!isFirst && known === this.#known) return;
    const wasOngoing = this.#known?.conference.ongoing ?? null;
    this.#known = known;
    const { conference, issues } = known;
    const name = named(conference.conference_name, conference.conference_id);
    this.title = name;
    this.#context.shell.title(name);
    write(this.#heading, name);
    write(this.#about, conference.conference_name === null ? "" : conference.conference_id);
    this.#chip.hidden = !conference.ongoing;
    const { cells } = this.#figures;
    write(cells.start, exact(iso(conference.start_time ?? conference.created_at)));
    set(cells.start, "class", "mono");
    write(cells.lasted, duration(this.#lasted()));
    write(cells.people, count(new Set(known.sessions.map((each) => each.participant)).size));
    const errors = issues.filter((each) => each.type === "error").length;
    write(cells.errors, count(errors));
    set(cells.errors, "data-loss", errors > 0 ? "bad" : null);
    write(cells.warnings, count(issues.length - errors));
    this.#paintIssues();
    this.#paintPeople();
    this.#paintTimeline();
    this.#choices();
    this.#loading.hidden = true;
    this.#body.hidden = false;
    if (isFirst) this.#events.load();
    else this.#events.follow();
    if (conference.ongoing !== wasOngoing) this.#findRoom();
    if (isFirst || conference.ongoing || wasOngoing) this.#graphs.load();
  }

  #lasted() {
    const { conference } = this.#known;
    const running = conference.call_start === null ? 0 : (this.#context.client.now() - moment(conference.call_start)) / 1000;
    return conference.duration + running;
  }

  #person(id) {
    const found = this.#known.participants.find((each) => each.id === id);
    return found === undefined ? "somebody" : named(found.participant_name, found.participant_id);
  }

  #paintIssues() {
    const { issues } = this.#known;
    this.#noIssues.hidden = issues.length > 0;
    const kinds = Map.groupBy(issues, (issue) => issue.code);
    const gravest = [...kinds.values()].sort((a, b) => (a[0].type === b[0].type ? 0 : a[0].type === "error" ? -1 : 1));
    this.#issues.replaceChildren(...gravest.map((same) => h("li", { "data-type": same[0].type },
      h("b", {}, same[0].title), h("p", { class: "hint" }, same[0].explanation),
      h("ul", {}, ...same.slice(0, SHOWN).map((issue) => h("li", {}, `${precise(issue.created_at)} ${this.#person(issue.participant)}`,
        issue.data === null ? null : h("code", {}, ` ${brief(issue.data)}`))),
      same.length > SHOWN ? h("li", {}, `and ${count(same.length - SHOWN)} more`) : null))));
  }

  #paintPeople() {
    const { sessions, participants } = this.#known;
    this.#people.replaceChildren(...present(participants, sessions).map((person) => personItem(person, sessions)));
  }

  #paintTimeline() {
    const { participants, sessions, connections, events, count: all, conference } = this.#known;
    const lines = [];
    for (const person of participants) {
      for (const view of VIEW_ORDER) {
        const own = sessions.filter((each) => each.participant === person.id && viewOf(each) === view);
        if (own.length === 0) continue;
        const ids = new Set(own.map((each) => each.id));
        const of = (list) => list.filter((each) => ids.has(each.session));
        lines.push({ key: `${person.id} ${view}`, person: this.#person(person.id), view, sessions: own, connections: of(connections), events: of(events) });
      }
    }
    const end = conference.ongoing ? this.#context.client.now() : moment(conference.end_time ?? conference.created_at);
    this.#timeline.paint(lines, end, (event) => this.#events.pick(event));
    write(this.#drawn, all > events.length ? `The first ${count(events.length)} of ${count(all)} events are drawn.` : "");
  }

  #choices() {
    const { participants, sessions } = this.#known;
    const people = present(participants, sessions).map((each) => [each.id, this.#person(each.id)]);
    this.#events.know(people, sessions);
    this.#graphs.know(people, sessions);
  }

  /** Its room, if it is live: conferences of the server's own rooms have the room's uuid for their id. */
  async #findRoom() {
    if (!this.#known.conference.ongoing) {
      this.#live.hidden = true;
      return;
    }
    try {
      const { rooms } = await this.#context.client.get("/v1/live/rooms", this.#ended.signal);
      const room = rooms.find((each) => each.id === this.#known.conference.conference_id);
      set(this.#live, "href", room === undefined ? null : `#/rooms/${encodeURIComponent(room.id)}`);
      this.#live.hidden = room === undefined;
    } catch {
      // That there is no way there is all that is lost; what polls says what is wrong.
    }
  }

  async #export(format) {
    try {
      await this.#context.client.download(`/analytics/v1/conferences/${encodeURIComponent(this.#id)}/export?format=${format}`,
        `${this.#known.conference.conference_id}.${format === "json" ? "ndjson" : "csv"}`);
    } catch (error) {
      write(this.#about, `It could not be exported: ${error.message}.`);
    }
  }
}
