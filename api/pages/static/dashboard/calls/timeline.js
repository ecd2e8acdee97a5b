// What happened in a conference, drawn: a line for each person and each view, one under the other on the same axis of time.
// Connections are bars, events are marks on them. It is for the eye; the table of events below it says the same in words.

import { h } from "../dom.js";
import { eventName, gravity, moment, precise } from "./words.js";

const TICKS = 6;
const SHORTEST_MS = 1000;
const UP = new Set(["connected", "stable"]); // of a negotiation
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export class Timeline {
  element = h("div", { class: "timeline", role: "img", "aria-label": "Timeline" });

  /**
   * lines: [{person, view, sessions, connections, events}, …]; now: ms, where what has no end is drawn to.
   * onPick(event): a mark was clicked.
   */
  paint(lines, now, onPick) {
    const [start, end] = extent(lines, now);
    const place = (ms) => `${(100 * (Math.min(Math.max(ms, start), end) - start)) / (end - start)}%`;
    const rows = lines.map((line) => {
      const track = h("div", { class: "way" });
      for (const session of line.sessions) {
        track.append(span("stay", moment(session.created_at), moment(session.end_time) ?? now, place,
          `In the conference, as the ${line.view} has it`));
      }
      for (const each of line.connections) track.append(...bars(each, now, place));
      for (const event of line.events) {
        const mark = h("i", { class: "dot", "data-gravity": gravity(event), title: `${precise(event.created_at)} ${eventName(event)}` });
        mark.style.setProperty("inset-inline-start", place(moment(event.created_at)));
        mark.addEventListener("click", () => onPick(event));
        track.append(mark);
      }
      return h("div", { class: "lane", "data-view": line.view },
        h("span", { class: "whose" }, h("b", {}, line.person), h("small", {}, line.view)), track);
    });
    const axis = h("div", { class: "way axis" }, ...Array.from({ length: TICKS }, (_, at) => {
      const ms = start + ((end - start) * at) / (TICKS - 1);
      const tick = h("span", {}, clock.format(ms));
      tick.style.setProperty("inset-inline-start", place(ms));
      return tick;
    }));
    this.element.replaceChildren(...rows, h("div", { class: "lane" }, h("span", { class: "whose" }), axis));
  }
}

function extent(lines, now) {
  const all = lines.flatMap((line) => [
    ...line.sessions.flatMap((each) => [moment(each.created_at), moment(each.end_time) ?? now]),
    ...line.events.map((each) => moment(each.created_at)),
  ]);
  const start = Math.min(...all, now);
  return [start, Math.max(...all, start + SHORTEST_MS)];
}

/** The time until a connection is up, and that in which it was. */
function bars(connection, now, place) {
  const start = moment(connection.start_time);
  const end = moment(connection.end_time) ?? now;
  const first = connection.connection_info.negotiations[0];
  const isUp = first === undefined || UP.has(first.status);
  const up = isUp ? (first === undefined ? start : moment(first.end_time)) : end;
  const made = [span("coming", start, up, place, `Connecting: ${Math.round(up - start)} ms`)];
  if (isUp) made.push(span(connection.state === "failed" ? "up broken" : "up", up, end, place, `Connection: ${connection.state}`));
  else if (connection.state === "failed") made[0].classList.add("broken");
  return made;
}

function span(kind, from, to, place, title) {
  const made = h("i", { class: `span ${kind}`, title });
  made.style.setProperty("inset-inline-start", place(from));
  made.style.setProperty("inset-inline-end", `calc(100% - ${place(to)})`);
  return made;
}
