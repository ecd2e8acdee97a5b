// One conference: who was there, what went wrong, what happened as browsers and as the server have seen it, and how media flowed.

import { Rows, h, row, set, table, write } from "../dom.js";
import { count, duration, exact } from "../format.js";
import { back, emptiness, figures, loading, title } from "../parts.js";
import { Poller } from "../poller.js";
import { Lines } from "./lines.js";
import { CHARTS, series } from "./series.js";
import { Timeline } from "./timeline.js";
import { brief, eventName, gravity, iso, moment, named, precise, viewOf } from "./words.js";

const REFRESH_MS = 5000;
const DRAWN = 1000; // events of the timeline
const PAGE = 200;
const SHOWN = 6; // issues of one kind
const POINTS = 240; // of each connection
const FIGURES = [["start", "Began"], ["lasted", "Lasted"], ["people", "People"], ["errors", "Errors"], ["warnings", "Warnings"]];
const EVENTS = [
  { name: "at", label: "Time" },
  { name: "who", label: "Who" },
  { name: "view", label: "Seen by" },
  { name: "what", label: "What" },
  { name: "data", label: "Data" },
];
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
  #table = table("Events", EVENTS, { class: "listing events" });
  #rows;
  #who = h("select", { "aria-label": "Whose events" });
  #which = h("select", { "aria-label": "Which events" }, h("option", { value: "-stats" }, "All but statistics"),
    h("option", { value: "" }, "All"), h("option", { value: "stats" }, "Statistics"));
  #more = h("button", { type: "button", class: "quiet" }, "More");
  #loaded = [];
  #whose = h("select", { "aria-label": "Whose graphs" });
  #graphsNote = h("p", { class: "hint" });
  #charts = CHARTS.map(({ name, unit }) => new Lines(name, unit));
  #snapshots = null;
  #body;
  #ended = new AbortController();

  constructor(context, id) {
    this.#context = context;
    this.#id = id;
    this.#gone.element.hidden = true;
    this.#rows = new Rows(this.#table.body, (event) => this.#eventRow(event));
    const exports = ["json", "csv"].map((format) => {
      const button = h("button", { type: "button", class: "quiet" }, `Export ${format.toUpperCase()}`);
      button.addEventListener("click", () => this.#export(format));
      return button;
    });
    for (const choice of [this.#who, this.#which]) choice.addEventListener("change", () => this.#list(true));
    this.#more.addEventListener("click", () => this.#list(false));
    this.#whose.addEventListener("change", () => this.#draw());
    const section = (name, ...rest) => h("section", {}, h("div", { class: "heading" }, h("h2", {}, name)), ...rest);
    this.#body = h("div", { hidden: true }, this.#figures.element,
      section("Issues", this.#issues, this.#noIssues),
      section("Timeline", h("div", { class: "panel-like" }, this.#timeline.element, legend(), this.#drawn)),
      h("section", {}, h("div", { class: "heading" }, h("h2", {}, "Graphs"), h("div", { class: "tools" }, this.#whose)),
        this.#graphsNote, h("div", { class: "cards" }, ...this.#charts.map((each) => each.element))),
      section("People", this.#people),
      h("section", {}, h("div", { class: "heading" }, h("h2", {}, "Events"), h("div", { class: "tools" }, this.#who, this.#which)),
        this.#table.element, h("div", { class: "pages" }, this.#more)));
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
    for (const chart of this.#charts) chart.close();
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
    const of = async (what) => (await this.#context.client.get(`/analytics/v1/${what}?conferenceId=${this.#id}`, signal)).data;
    const [participants, connections, issues, sessions, events] = await Promise.all([
      of("participants"), of("connections"), of("issues"),
      Promise.all(conference.participants.length === 0 ? [] : [of("sessions")]).then(([found = []]) => found),
      this.#pages(`/events?type=-stats`, DRAWN, signal),
    ]);
    return { conference, participants, connections, issues, sessions, ...events };
  }

  async #pages(path, most, signal) {
    const events = [];
    let all = 1;
    while (events.length < Math.min(all, most)) {
      const { results, count: found } = await this.#get(`${path}&limit=${PAGE}&offset=${events.length}`, signal);
      events.push(...results);
      all = found;
      if (results.length === 0) break;
    }
    return { events, count: all };
  }

  #get(path, signal) {
    return this.#context.client.get(`/analytics/v1/conferences/${this.#id}${path}`, signal);
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
    if (isFirst) this.#list(true);
    if (conference.ongoing !== wasOngoing) this.#findRoom();
    if (isFirst || conference.ongoing || wasOngoing) this.#loadGraphs();
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
    const shown = participants.filter((each) => sessions.some((session) => session.participant === each.id));
    this.#people.replaceChildren(...shown.map((person) => {
      const own = sessions.filter((each) => each.participant === person.id);
      return h("li", {}, h("a", { href: `#/calls/participants/${person.id}` }, named(person.participant_name, person.participant_id)),
        ...own.map((session) => h("p", { class: "hint" }, facts(session))));
    }));
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
        lines.push({ person: this.#person(person.id), view, sessions: own, connections: of(connections), events: of(events) });
      }
    }
    const end = conference.ongoing ? this.#context.client.now() : moment(conference.end_time ?? conference.created_at);
    this.#timeline.paint(lines, end, (event) => this.#pick(event));
    write(this.#drawn, all > events.length ? `The first ${count(events.length)} of ${count(all)} events are drawn.` : "");
  }

  #choices() {
    const people = this.#known.participants.filter((person) => this.#known.sessions.some((each) => each.participant === person.id));
    fill(this.#who, [["", "Everybody"], ...people.map((each) => [each.id, this.#person(each.id)])]);
    fill(this.#whose, people.map((each) => [each.id, this.#person(each.id)]));
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

  // --- events ---

  async #list(anew) {
    if (anew) this.#loaded = [];
    const query = new URLSearchParams({ limit: PAGE, offset: this.#loaded.length, type: this.#which.value });
    if (this.#who.value !== "") query.set("participantId", this.#who.value);
    try {
      const { results, count: all } = await this.#get(`/events?${query}`, this.#ended.signal);
      this.#loaded.push(...results);
      this.#more.hidden = this.#loaded.length >= all;
      write(this.#more, `More (${count(all - this.#loaded.length)})`);
      this.#rows.update(this.#loaded, (event) => event.id, () => this.#heading.focus());
    } catch (error) {
      if (!this.#ended.signal.aborted) write(this.#more, `Again: ${error.message}`);
    }
  }

  #eventRow(event) {
    const { element, cells } = row(EVENTS, { "data-gravity": gravity(event), "data-event": event.id });
    const session = this.#known.sessions.find((each) => each.id === event.session);
    const paint = () => {
      write(cells.at, precise(event.created_at));
      write(cells.who, this.#person(event.participant));
      write(cells.view, session === undefined ? "browser" : viewOf(session));
      write(cells.what, eventName(event));
      write(cells.data, brief(event.data));
    };
    return { element, paint };
  }

  #pick(event) {
    const found = this.#table.body.querySelector(`[data-event="${event.id}"]`);
    found?.scrollIntoView({ block: "center", behavior: "smooth" });
    for (const each of this.#table.body.querySelectorAll("[data-picked]")) set(each, "data-picked", null);
    if (found) set(found, "data-picked", true);
  }

  // --- graphs ---

  async #loadGraphs() {
    const { signal } = this.#ended;
    try {
      const graphs = await this.#get(`/graphs?points=${POINTS}`, signal);
      if (graphs.summary !== undefined) {
        this.#snapshots = graphs.summary.data;
        write(this.#graphsNote, "");
      } else {
        const { results } = await this.#get(`/events?type=stats&order=-created_at&limit=${PAGE}`, signal);
        this.#snapshots = together(results.reverse());
        write(this.#graphsNote, graphs.building ? "The last reports; all of them are being summed up." : "The last reports, as long as it goes on.");
        if (graphs.building) setTimeout(() => signal.aborted || this.#loadGraphs(), 1000);
      }
      this.#draw();
    } catch (error) {
      if (!signal.aborted) write(this.#graphsNote, `The server cannot say: ${error.message}.`);
    }
  }

  #draw() {
    const sessions = this.#known.sessions.filter((each) => each.participant === this.#whose.value);
    const found = series(this.#snapshots ?? []);
    CHARTS.forEach(({ name, lines }, at) => {
      const shown = VIEW_ORDER.flatMap((view) => lines.map((line) => {
        const own = sessions.filter((each) => viewOf(each) === view).flatMap((each) => found.get(each.id) ?? []);
        return {
          label: labelOf(view, line),
          colour: view === "browser" ? (line === "out" ? "b" : "a") : (line === "out" ? "d" : "c"),
          dashed: view === "server",
          points: own.map((point) => [point.at, point[name][line]]),
        };
      }));
      this.#charts[at].paint(shown);
    });
  }

  async #export(format) {
    try {
      await this.#context.client.download(`/analytics/v1/conferences/${this.#id}/export?format=${format}`,
        `${this.#known.conference.conference_id}.${format === "json" ? "ndjson" : "csv"}`);
    } catch (error) {
      write(this.#about, `It could not be exported: ${error.message}.`);
    }
  }
}

/** Reports as they are stored, each stream of a track by itself: what came with one request becomes one snapshot. */
function together(events) {
  const snapshots = new Map();
  for (const event of events) {
    const key = `${event.connection} ${event.created_at}`;
    if (event.track === null) {
      const { audio = {}, video = {}, ...rest } = event.data;
      const lists = ({ inbound = [], outbound = [] }) => ({ inbound: [...inbound], outbound: [...outbound] });
      snapshots.set(key, { ...event, data: { ...rest, audio: lists(audio), video: lists(video) } });
    } else if (snapshots.has(key)) {
      const kind = (event.data.kind ?? event.data.mediaType) === "video" ? "video" : "audio";
      snapshots.get(key).data[kind]["packetsSent" in event.data ? "outbound" : "inbound"].push(event.data);
    }
  }
  return [...snapshots.values()];
}

function labelOf(view, line) {
  if (line === "both") return view;
  const word = line === "in" ? "receives" : "sends";
  return `${view} ${word}`;
}

function facts(session) {
  const { platform, geo_ip: place } = session;
  const known = [
    viewOf(session),
    platform?.browser?.name && `${platform.browser.name} ${platform.browser.version ?? ""}`.trim(),
    platform?.os?.name,
    place?.city ?? place?.country_code,
    session.app_version && `app ${session.app_version}`,
    viewOf(session) === "browser" ? session.webrtc_sdk && `SDK ${session.webrtc_sdk}` : null,
    session.end_time === null ? "still there" : `stayed ${duration(session.duration)}`,
  ];
  return known.filter(Boolean).join(" · ");
}

function fill(select, options) {
  const chosen = select.value;
  const same = options.length === select.options.length && options.every(([value, label], at) =>
    select.options[at].value === value && select.options[at].label === label);
  if (same) return;
  select.replaceChildren(...options.map(([value, label]) => h("option", { value }, label)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

function legend() {
  const kinds = [["error", "failure"], ["warning", "trouble"], ["state", "state"], ["media", "media"], ["said", "other"]];
  return h("p", { class: "legend" }, ...kinds.map(([kind, label]) => h("span", {}, h("i", { class: "dot", "data-gravity": kind, "aria-hidden": "true" }), label)),
    h("span", {}, h("i", { class: "span coming", "aria-hidden": "true" }), "connecting"), h("span", {}, h("i", { class: "span up", "aria-hidden": "true" }), "connected"));
}
