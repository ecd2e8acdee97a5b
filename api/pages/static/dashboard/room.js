// One room: who is in, who waits, what flows; and an administrator's button to end it.

import { $, announce, askIn, icon } from "../page.js";
import { Away, Refused, Unwelcome } from "./client.js";
import { Rows, h, set, write } from "./dom.js";
import { Differences, flowing } from "./flows.js";
import { bitRate, count, counted, duration, exact } from "./format.js";
import { memberCard } from "./member.js";
import { back, emptiness, figures, loading, paintLoss, title } from "./parts.js";
import { Poller } from "./poller.js";
import { REFRESH_MS } from "./rooms.js";
import { Spark } from "./spark.js";

export class RoomView {
  title = "Live room";
  element;
  #context;
  #id;
  #room = null;
  #poller;
  #differences = new Differences();
  #heading = title("Live room");
  #about = h("p", { class: "about" });
  #figures = figures([["since", "Running"], ["people", "People"], ["in", "In"], ["out", "Out"], ["loss", "Worst loss now"]]);
  #sparks = { in: new Spark(), out: new Spark() };
  #rates = { in: h("span"), out: h("span") };
  #loss = h("span", { class: "loss" });
  #loading = loading("Loading the room");
  #body;
  #gone = emptiness(
    "This room is not live",
    "Nobody is in it, or it has ended. Should somebody enter it again, it shows here by itself.",
  );
  #waiting;
  #waitingRows;
  #members;
  #membersTitle = h("h2", {}, "Members");
  #all = h("button", { type: "button", class: "link" }, "Open all");
  #end = null;
  #calls = h("a", { class: "button-like", hidden: true }, "As a conference");
  #ended = new AbortController();

  constructor(context, id) {
    this.#context = context;
    this.#id = id;
    const list = h("ul", { class: "members" });
    this.#members = new Rows(list, (member) => memberCard(member, context.client));
    const queue = h("ul", { class: "queue" });
    this.#waitingRows = new Rows(queue, (party) => waitingParty(party, context.client));
    this.#waiting = h("section", { class: "waiting-parties", hidden: true },
      h("h2", {}, icon("wait"), "Waiting to be let in"), queue);
    this.#all.addEventListener("click", () => this.#openAll(list));
    list.addEventListener("toggle", () => this.#labelAll(list), true);
    for (const way of ["in", "out"]) this.#figures.cells[way].replaceChildren(this.#rates[way], this.#sparks[way].element);
    this.#figures.cells.loss.replaceChildren(this.#loss);
    this.#body = h("div", { hidden: true }, this.#figures.element, this.#waiting,
      h("section", {}, h("div", { class: "heading" }, this.#membersTitle, this.#all), list));
    this.#gone.element.hidden = true;
    this.element = h("div", { class: "view" }, back("#/rooms", "Live rooms"),
      h("div", { class: "heading" }, h("div", {}, this.#heading, this.#about), h("div", { class: "tools" }, this.#calls, this.#endButton())),
      this.#loading, this.#body, this.#gone.element);
    const ask = (signal) => context.client.get(`/v1/live/rooms/${encodeURIComponent(id)}`, signal);
    const on = { answer: ({ room }) => this.#paint(room), refusal: () => this.#left(), shell: context.shell };
    this.#poller = new Poller(ask, REFRESH_MS, on);
  }

  start() {
    this.#poller.start();
    if (this.#context.viewer.kind === "administrator") this.#findConference();
  }

  /** What the server has written down of this room, if it is of an app. */
  async #findConference() {
    const query = `conference_id=${encodeURIComponent(this.#id)}&order=-created_at&limit=1`;
    try {
      const { results } = await this.#context.client.get(`/analytics/v1/conferences?${query}`, this.#ended.signal);
      if (results.length === 0) return;
      set(this.#calls, "href", `#/calls/conferences/${results[0].id}`);
      this.#calls.hidden = false;
    } catch {
      // That there is no way there is all that is lost; what polls says what is wrong.
    }
  }

  stop() {
    this.#ended.abort();
    this.#poller.stop();
    if ($("confirm").open) $("confirm").close("");
  }

  #endButton() {
    if (this.#context.viewer.kind !== "administrator") return "";
    this.#end = h("button", { type: "button", class: "quiet ends", id: "end", hidden: true }, icon("end"), "End the room");
    this.#end.addEventListener("click", () => this.#ask());
    return this.#end;
  }

  #paint(room) {
    this.#differences.next(performance.now());
    const now = flowing(room, this.#differences);
    this.#room = room;
    if (this.title !== room.name) {
      this.title = room.name;
      this.#context.shell.title(room.name);
      write(this.#heading, room.name);
    }
    const licence = room.licence === null ? "A room of this server" : `Licence ${this.#context.names.of(room.licence)}`;
    const kind = room.temporary ? ", until the last one leaves" : "";
    write(this.#about, licence + kind);
    const { cells } = this.#figures;
    write(cells.since, duration((this.#context.client.now() - Date.parse(room.since)) / 1000));
    set(cells.since, "title", `Since ${exact(room.since)}`);
    write(cells.people, count(room.members.length));
    for (const way of ["in", "out"]) {
      write(this.#rates[way], bitRate(now[`${way}_bps`]));
      this.#sparks[way].add(now[`${way}_bps`]);
    }
    paintLoss(this.#loss, now.loss);
    this.#waiting.hidden = room.waiting.length === 0;
    this.#waitingRows.update(room.waiting, (party) => party.id);
    write(this.#membersTitle, room.members.length === 0 ? "Nobody is in yet" : counted(room.members.length, "member"));
    this.#members.update(now.members, (member) => member.id, () => this.#heading.focus());
    this.#all.hidden = room.members.length < 2;
    this.#show("body");
    if (room.licence !== null) this.#context.names.learn([room.licence]);
  }

  /** It runs no more, or never did. */
  #left() {
    const held = this.element.contains(document.activeElement);
    if (this.#room !== null) announce(`${this.#room.name} is no longer live`);
    this.#room = null;
    this.#differences = new Differences();
    if ($("confirm").open) $("confirm").close("");
    this.#show("gone");
    if (held) this.#heading.focus();
  }

  #show(part) {
    this.#loading.hidden = true;
    this.#body.hidden = part !== "body";
    this.#gone.element.hidden = part !== "gone";
    if (this.#end !== null) this.#end.hidden = part !== "body";
  }

  #openAll(list) {
    const all = [...list.querySelectorAll(":scope > li > details")];
    const open = !all.every((one) => one.open);
    for (const one of all) one.open = open;
  }

  #labelAll(list) {
    const all = [...list.querySelectorAll(":scope > li > details")];
    write(this.#all, all.every((one) => one.open) ? "Close all" : "Open all");
  }

  async #ask() {
    const { name, members } = this.#room;
    write($("confirm-title"), `End ${name}?`);
    const people = ["Nobody is in it.", "The one person in it is sent out."][members.length]
      ?? `All ${count(members.length)} people in it are sent out.`;
    const then = this.#room.temporary ? "The room is gone then." : "The room itself stays and can be entered again.";
    write($("confirm-hint"), `${people} ${then}`);
    write($("confirm-yes"), "End the room");
    if (await askIn($("confirm")) !== "yes") return;
    this.#end.disabled = true;
    try {
      await this.#context.client.delete(`/v1/live/rooms/${encodeURIComponent(this.#id)}`);
      this.#done(`${name} has ended`);
    } catch (error) {
      if (error instanceof Unwelcome) this.#context.shell.unwelcome();
      else if (error instanceof Refused && error.status === 404) this.#done(`${name} had ended already`);
      else if (error instanceof Refused) announce(`The server refuses: ${error.message}`);
      else if (error instanceof Away) this.#context.shell.away("The room was not ended: the server does not answer.");
      else throw error;
    } finally {
      this.#end.disabled = false;
    }
  }

  #done(text) {
    announce(text);
    this.#context.remember("rooms list", undefined);
    location.hash = "#/rooms";
  }
}

function waitingParty(party, client) {
  const since = h("time", { datetime: party.since, title: exact(party.since) });
  const name = h("b");
  const element = h("li", { "data-party": party.id }, name, " ", since);
  const paint = (now) => {
    write(name, now.name || "A guest");
    write(since, `for ${duration((client.now() - Date.parse(now.since)) / 1000)}`);
  };
  return { element, paint };
}
