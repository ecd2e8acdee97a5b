// What happened in a conference, drawn: a line for each person and each view, one under the other on the same axis of time.
// Connections are bars, events are marks on them. A line is a slider over its marks, which is what screen readers know how to
// read out and arrow keys how to move; the one that is pointed at is told in words below. Which events there are is the caller's.

import { h, set, write } from "../dom.js";
import { eventName, gravity, moment, precise } from "./words.js";

const TICKS = 6;
const SHORTEST_MS = 1000;
const UP = new Set(["connected", "stable"]); // of a negotiation
const FAR = 10; // marks, of a page up or down
const UNCERTAIN_MS = 100; // in which `connecting` may seem to be younger than `connected`; as course.py has it
const HINT = "Point at a mark, or move along a line with the arrow keys; Enter shows the event in the table below.";
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export class Timeline {
  element;
  #lanes = h("div", { class: "timeline", role: "group", "aria-label": "Timeline" });
  #told = h("p", { class: "hint told" }, HINT);
  #ways = new Map(); // "participant view" → its slider
  #at = null; // [key of the line, id of the event], which a refresh does not forget

  constructor() {
    this.element = h("div", {}, this.#lanes, this.#told);
  }

  /**
   * lines: [{key, person, view, sessions, connections, events}, …]; now: ms, where what has no end is drawn to.
   * onPick(event): a mark was chosen; true if it could be shown.
   */
  paint(lines, now, onPick) {
    const focused = [...this.#ways].find(([, way]) => way === document.activeElement)?.[0];
    const [start, end] = extent(lines, now);
    const place = (ms) => `${(100 * (Math.min(Math.max(ms, start), end) - start)) / (end - start)}%`;
    this.#ways = new Map();
    const rows = lines.map((line) => {
      const way = this.#way(line, now, place, onPick);
      this.#ways.set(line.key, way);
      return h("div", { class: "lane", "data-view": line.view },
        h("span", { class: "whose", title: line.person }, h("b", {}, line.person), h("small", {}, line.view)), way);
    });
    const axis = h("div", { class: "way axis", "aria-hidden": "true" }, ...Array.from({ length: TICKS }, (_, at) => {
      const ms = start + ((end - start) * at) / (TICKS - 1);
      const tick = h("span", {}, clock.format(ms));
      tick.style.setProperty("inset-inline-start", place(ms));
      return tick;
    }));
    this.#lanes.replaceChildren(...rows, h("div", { class: "lane" }, h("span", { class: "whose" }), axis));
    if (focused !== undefined) this.#ways.get(focused)?.focus({ preventScroll: true });
  }

  #way(line, now, place, onPick) {
    const { events } = line;
    const way = h("div", {
      class: "way", role: "slider", tabindex: events.length > 0 ? "0" : null, "aria-label": `${line.person}, ${line.view}`,
      "aria-orientation": "horizontal", "aria-valuemin": 0, "aria-valuemax": Math.max(0, events.length - 1),
    });
    for (const session of line.sessions) {
      way.append(span("stay", moment(session.created_at), moment(session.end_time) ?? now, place,
        `In the conference, as the ${line.view} has it`));
    }
    for (const each of line.connections) {
      way.append(...bars(each, events.filter((event) => event.connection === each.id), now, place));
    }
    const marks = events.map((event) => {
      const mark = h("i", { class: "dot", "data-gravity": gravity(event), title: saying(event) });
      mark.style.setProperty("inset-inline-start", place(moment(event.created_at)));
      return mark;
    });
    way.append(...marks);
    let at = Math.max(0, events.findIndex((event) => line.key === this.#at?.[0] && event.id === this.#at[1]));
    const point = (to, isTold = true) => {
      at = to;
      marks.forEach((mark, each) => set(mark, "data-at", isTold && each === to));
      set(way, "aria-valuenow", to);
      set(way, "aria-valuetext", events.length === 0 ? "Nothing was told" : saying(events[to]));
      if (!isTold) return;
      this.#at = [line.key, events[to].id];
      write(this.#told, `${line.person}, ${line.view}: ${saying(events[to])}`);
    };
    const pick = () => {
      point(at);
      if (!onPick(events[at])) write(this.#told, `${this.#told.textContent} (not among the events that the table shows)`);
    };
    const goTo = (mark) => marks.indexOf(mark);
    way.addEventListener("pointerover", ({ target }) => goTo(target) >= 0 && point(goTo(target)));
    way.addEventListener("click", ({ target }) => {
      if (goTo(target) < 0) return;
      at = goTo(target);
      pick();
    });
    way.addEventListener("focus", () => way.matches(":focus-visible") && point(at));
    way.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") pick();
      const to = {
        ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
        PageDown: at - FAR, PageUp: at + FAR, Home: 0, End: events.length - 1,
      }[event.key];
      if (to !== undefined) point(Math.min(events.length - 1, Math.max(0, to)));
      if (to !== undefined || event.key === " ") event.preventDefault();
    });
    point(at, line.key === this.#at?.[0] && events.length > 0 && events[at].id === this.#at[1]);
    return way;
  }
}

/** What the marks and bars mean. */
export function legend() {
  const marks = [["error", "failure"], ["warning", "trouble"], ["state", "state"], ["media", "media"], ["said", "other"]];
  const spans = [["coming", "connecting"], ["up", "connected"], ["away", "interrupted"], ["up broken", "failed"]];
  const swatch = (attributes, label) => h("span", {}, h("i", { ...attributes, "aria-hidden": "true" }), label);
  return h("p", { class: "legend" }, ...marks.map(([kind, label]) => swatch({ class: "dot", "data-gravity": kind }, label)),
    ...spans.map(([kind, label]) => swatch({ class: `span ${kind}` }, label)));
}

function saying(event) {
  return `${precise(event.created_at)} ${eventName(event)}`;
}

function extent(lines, now) {
  const all = lines.flatMap((line) => [
    ...line.sessions.flatMap((each) => [moment(each.created_at), moment(each.end_time) ?? now]),
    ...line.events.map((each) => moment(each.created_at)),
  ]);
  const start = Math.min(...all, now);
  return [start, Math.max(...all, start + SHORTEST_MS)];
}

const SPANS = { connected: "up", disconnected: "away", failed: "up broken" };

/**
 * A connection by its states. They are told by its events; a connection of which none is drawn has at least its first
 * negotiation, whose end moves when an interruption is over, so that it is the second choice.
 */
function bars(connection, events, now, place) {
  const start = moment(connection.start_time);
  const end = moment(connection.end_time) ?? now;
  const first = connection.connection_info.negotiations[0];
  const told = events.filter((each) => each.type === "onconnectionstatechange" && typeof each.data === "string" && each.data !== "closed")
    .map((each) => [moment(each.created_at), each.data]);
  const changes = told.filter(([at, state]) => state !== "connecting"
    || !told.some(([up, was]) => was === "connected" && up <= at && at - up < UNCERTAIN_MS));
  if (changes.length === 0) {
    const isUp = first === undefined || UP.has(first.status);
    if (isUp) changes.push([first === undefined ? start : moment(first.end_time), "connected"]);
    if (connection.state === "failed") changes.push([isUp ? end : start, "failed"]);
  }
  const states = [[start, "connecting"], ...changes];
  return states.map(([at, state], each) => {
    const until = each + 1 < states.length ? states[each + 1][0] : Math.max(at, end);
    return span(SPANS[state] ?? "coming", at, until, place, `Connection ${state}: ${Math.round(until - at)} ms`);
  });
}

function span(kind, from, to, place, title) {
  const made = h("i", { class: `span ${kind}`, title });
  made.style.setProperty("inset-inline-start", place(from));
  made.style.setProperty("inset-inline-end", `calc(100% - ${place(to)})`);
  return made;
}
