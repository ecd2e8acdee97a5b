// How media flowed for one person of a conference: a chart for each measure, with the browser's and the server's lines in it.

import { Unwelcome } from "../client.js";
import { h, write } from "../dom.js";
import { fill } from "./events.js";
import { Lines } from "./lines.js";
import { CHARTS, series } from "./series.js";
import { viewOf } from "./words.js";

const POINTS = 240; // of each connection
const LATEST = 200; // reports, as long as there is no summary
const BUILDING_MS = 1000;
const COLOURS = { browser: { in: "a", out: "b", both: "a" }, server: { in: "c", out: "d", both: "c" } };
const WORDS = { in: " receives", out: " sends", both: "" };

export class Graphs {
  element;
  #context;
  #root;
  #sessions = [];
  #whose = h("select", { "aria-label": "Whose graphs" });
  #note = h("p", { class: "hint" });
  #charts = CHARTS.map(({ name, unit }) => new Lines(name, unit));
  #snapshots = [];
  #ended = new AbortController();

  constructor(context, id) {
    this.#context = context;
    this.#root = `/analytics/v1/conferences/${encodeURIComponent(id)}`;
    this.#whose.addEventListener("change", () => this.#draw());
    this.element = h("section", {}, h("div", { class: "heading" }, h("h2", {}, "Graphs"), h("div", { class: "tools" }, this.#whose)),
      this.#note, h("div", { class: "cards" }, ...this.#charts.map((each) => each.element)));
  }

  /** people: [[id, name], …] */
  know(people, sessions) {
    this.#sessions = sessions;
    fill(this.#whose, people);
  }

  async load() {
    const { client, shell } = this.#context;
    const { signal } = this.#ended;
    try {
      const graphs = await client.get(`${this.#root}/graphs?points=${POINTS}`, signal);
      if (graphs.summary !== undefined) {
        this.#snapshots = graphs.summary.data;
        write(this.#note, "");
      } else {
        const { results } = await client.get(`${this.#root}/events?type=stats&order=-created_at&limit=${LATEST}`, signal);
        this.#snapshots = together(results.reverse());
        write(this.#note, graphs.building ? "The last reports; all of them are being summed up." : "Still going on: the last reports.");
        if (graphs.building) setTimeout(() => signal.aborted || this.load(), BUILDING_MS);
      }
      this.#draw();
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Unwelcome) return shell.unwelcome();
      write(this.#note, `The server cannot say: ${error.message}.`);
    }
  }

  close() {
    this.#ended.abort();
    for (const chart of this.#charts) chart.close();
  }

  #draw() {
    const sessions = this.#sessions.filter((each) => each.participant === this.#whose.value);
    const found = series(this.#snapshots);
    CHARTS.forEach(({ name, lines }, at) => {
      this.#charts[at].paint(Object.entries(COLOURS).flatMap(([view, colours]) => {
        const points = sessions.filter((each) => viewOf(each) === view).flatMap((each) => found.get(each.id) ?? []);
        return lines.map((line) => ({
          label: `${view}${WORDS[line]}`,
          colour: colours[line],
          dashed: view === "server",
          points: points.map((point) => [point.at, point[name][line]]),
        }));
      }));
    });
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
