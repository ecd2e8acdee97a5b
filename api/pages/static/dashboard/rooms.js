// All rooms in which somebody is or waits, of every dialect.

import { icon } from "../page.js";
import { Rows, h, row, set, table, write } from "./dom.js";
import { Differences, flowing } from "./flows.js";
import { bitRate, count, counted, dialect, duration, exact } from "./format.js";
import { emptiness, figures, loading, paintLoss, title } from "./parts.js";
import { Poller } from "./poller.js";

export const REFRESH_MS = 2000;
const SHOWN = 200; // rows; of more than that the search finds the rest

const COLUMNS = [
  { name: "room", label: "Room" },
  { name: "licence", label: "Licence" },
  { name: "since", label: "Running" },
  { name: "people", label: "People" },
  { name: "by", label: "By" },
  { name: "in", label: "In", number: true, title: "What the server receives" },
  { name: "out", label: "Out", number: true, title: "What the server sends" },
  { name: "loss", label: "Loss", number: true, title: "Of the worst stream, now" },
];
const ORDERS = {
  longest: ["Longest running", (a, b) => a.since.localeCompare(b.since)],
  newest: ["Newest", (a, b) => b.since.localeCompare(a.since)],
  people: ["Most people", (a, b) => b.members.length - a.members.length || a.since.localeCompare(b.since)],
  name: ["Name", (a, b) => a.name.localeCompare(b.name)],
};

export class RoomsView {
  title = "Live rooms";
  element;
  #context;
  #poller;
  #differences = new Differences();
  #choice; // {words, order}, kept while one looks at a room
  #rooms = null;
  #heading = title("Live rooms");
  #figures = figures([["rooms", "Rooms"], ["people", "People"], ["waiting", "Waiting"], ["in", "In"], ["out", "Out"]]);
  #loading = loading("Loading the rooms");
  #empty = emptiness("", "");
  #more = h("p", { class: "hint rest", hidden: true });
  #table;
  #rows;

  constructor(context) {
    this.#context = context;
    this.#choice = context.keep("rooms", { words: "", order: "longest" });
    this.#table = table("Live rooms", COLUMNS, { class: "listing rooms" });
    this.#rows = new Rows(this.#table.body, (room) => this.#row(room));
    this.#table.element.hidden = this.#empty.element.hidden = true;
    this.element = h("div", { class: context.viewer.kind === "holder" ? "view of-one" : "view" },
      h("div", { class: "heading" }, this.#heading, this.#tools()),
      this.#figures.element, this.#loading, this.#table.element, this.#more, this.#empty.element);
    const ask = (signal) => context.client.get("/v1/live/rooms", signal);
    const on = { answer: (value) => this.#answer(value), refusal: () => {}, shell: context.shell };
    this.#poller = new Poller(ask, REFRESH_MS, on);
  }

  start() {
    const known = this.#context.recall("rooms list"); // of a moment ago, until the answer is here
    if (known !== undefined) this.#paint(known);
    this.#poller.start();
  }

  stop() {
    this.#poller.stop();
  }

  #tools() {
    const search = h("input", {
      type: "search", id: "search", placeholder: "Room, licence or person", autocomplete: "off", maxlength: "100",
    });
    search.value = this.#choice.words;
    search.addEventListener("input", () => {
      this.#choice.words = search.value;
      this.#list();
    });
    const orders = Object.entries(ORDERS).map(([name, [label]]) => h("option", { value: name }, label));
    const order = h("select", { id: "order" }, ...orders);
    order.value = this.#choice.order;
    order.addEventListener("change", () => {
      this.#choice.order = order.value;
      this.#list();
    });
    return h("div", { class: "tools", role: "search" },
      h("label", { class: "unheard", for: "search" }, "Search"), h("span", { class: "searching" }, icon("search"), search),
      h("label", { class: "unheard", for: "order" }, "Order"), order);
  }

  #answer({ rooms }) {
    this.#differences.next(performance.now());
    const flowingRooms = rooms.map((room) => flowing(room, this.#differences));
    this.#context.remember("rooms list", flowingRooms);
    this.#paint(flowingRooms);
    this.#context.names.learn([...new Set(rooms.map((room) => room.licence).filter((id) => id !== null))]);
  }

  #paint(rooms) {
    this.#rooms = rooms;
    const { cells } = this.#figures;
    const sum = (of) => rooms.reduce((all, room) => all + of(room), 0);
    write(cells.rooms, count(rooms.length));
    write(cells.people, count(sum((room) => room.members.length)));
    write(cells.waiting, count(sum((room) => room.waiting.length)));
    for (const way of ["in", "out"]) {
      const known = rooms.length === 0 || rooms.some((room) => room[`${way}_bps`] !== null);
      write(cells[way], bitRate(known ? sum((room) => room[`${way}_bps`] ?? 0) : null));
    }
    this.#loading.hidden = true;
    this.#list();
  }

  #list() {
    if (this.#rooms === null) return;
    const words = this.#choice.words.trim().toLocaleLowerCase();
    const found = this.#rooms.filter((room) => words === "" || this.#said(room).includes(words));
    found.sort(ORDERS[this.#choice.order][1]);
    this.#rows.update(found.slice(0, SHOWN), (room) => room.id, () => this.#heading.focus());
    this.#table.element.hidden = found.length === 0;
    this.#more.hidden = found.length <= SHOWN;
    write(this.#more, `And ${count(found.length - SHOWN)} more: search for the one you want.`);
    this.#empty.element.hidden = found.length > 0;
    if (words === "") {
      this.#empty.say("No room is live", "As soon as somebody enters one, by whichever dialect, it shows here by itself.");
    } else {
      const looked = this.#choice.words.trim();
      this.#empty.say("Nothing found", `No live room, licence or person has “${looked}” in its name.`);
    }
  }

  #said(room) {
    const licence = room.licence === null ? "" : this.#context.names.of(room.licence);
    const people = [...room.members, ...room.waiting].map((each) => each.name);
    return [room.name, licence, ...people].join("\n").toLocaleLowerCase();
  }

  #row(room) {
    const { element, cells } = row(COLUMNS, { "data-room": room.id });
    const link = h("a", { href: `#/rooms/${encodeURIComponent(room.id)}` });
    const since = h("time", { datetime: room.since, title: exact(room.since) });
    const people = h("span", { class: "heads" });
    const waiting = h("span", { class: "chip waits", hidden: true });
    const by = new Rows(cells.by, ([name]) => {
      const chip = h("span", { class: "chip", "data-dialect": name });
      return { element: chip, paint: ([, text]) => write(chip, text) };
    });
    const loss = h("span", { class: "loss" });
    cells.room.append(link);
    cells.since.append(since);
    cells.people.append(people, waiting);
    cells.loss.append(loss);
    const paint = (now) => {
      write(link, now.name);
      write(cells.licence, now.licence === null ? "This server" : this.#context.names.of(now.licence));
      set(cells.licence, "class", now.licence === null ? "own" : null);
      write(since, duration((this.#context.client.now() - Date.parse(now.since)) / 1000));
      write(people, count(now.members.length));
      write(waiting, `${count(now.waiting.length)} waiting`);
      waiting.hidden = now.waiting.length === 0;
      by.update(dialects(now.members), ([name]) => name);
      write(cells.in, bitRate(now.in_bps));
      write(cells.out, bitRate(now.out_bps));
      paintLoss(loss, now.loss);
      set(element, "aria-label", `${now.name}, ${counted(now.members.length, "person", "people")}`);
    };
    return { element, paint };
  }
}

/** [name, "Room API 2"] of each dialect in use. */
function dialects(members) {
  const counts = new Map();
  for (const member of members) counts.set(member.dialect, (counts.get(member.dialect) ?? 0) + 1);
  return [...counts].sort().map(([name, number]) => [name, counts.size === 1 ? dialect(name) : `${dialect(name)} ${number}`]);
}
