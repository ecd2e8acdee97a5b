// The messages beside the video: one line each, which opens to the whole of it. Descriptions are folded once more, for nobody reads
// forty lines of SDP in passing, and what is long (keys, images) is cut. Bounded: the oldest goes first.

import { element } from "../page.js";

const KEPT = 200; // messages in the list, and as many that wait to be in it
const LONGEST = 300; // characters of one value
const AT_END_PX = 24;

export class Log {
  #list;
  #onCount;
  #waiting = []; // for the next frame or, while it is paused, for the end of that
  #frame = 0;
  #isPaused = false;

  /** onCount(messages that wait while it is paused) */
  constructor(list, onCount) {
    this.#list = list;
    this.#onCount = onCount;
  }

  get isPaused() {
    return this.#isPaused;
  }

  /** direction: "out" or "in". */
  add(direction, message, at = new Date()) {
    this.#waiting.push([direction, message, at]);
    if (this.#waiting.length > KEPT) this.#waiting.shift();
    this.#schedule();
  }

  toggle() {
    this.#isPaused = !this.#isPaused;
    this.#schedule();
  }

  clear() {
    this.#list.replaceChildren();
    this.#waiting = [];
    this.#schedule();
  }

  /** Once a frame: to measure and to scroll for each of fifty messages would take longer than they do. */
  #schedule() {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    this.#frame = 0;
    this.#onCount(this.#isPaused ? this.#waiting.length : 0);
    if (this.#isPaused) return;
    const list = this.#list;
    const isRead = list.scrollHeight - list.scrollTop - list.clientHeight > AT_END_PX;
    list.append(...this.#waiting.map((one) => entry(...one)));
    this.#waiting = [];
    while (list.childElementCount > KEPT) list.firstElementChild.remove();
    // Who has scrolled back to read something is not torn away from it.
    if (!isRead) list.scrollTop = list.scrollHeight;
  }
}

function entry(direction, message, at) {
  const refused = message.code !== undefined && message.code !== "200";
  const box = element("li", `message ${direction}${refused ? " bad" : ""}`);
  box.dataset.op = title(message);
  const fold = document.createElement("details");
  const line = document.createElement("summary");
  const arrow = element("span", "arrow", direction === "out" ? "→" : "←");
  arrow.setAttribute("aria-hidden", "true");
  const time = element("time", "", `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, "0")}`);
  line.append(arrow, element("span", "unheard", direction === "out" ? "sent" : "received"), element("b", "", title(message)));
  const about = gist(message);
  if (about !== "") line.append(element("span", "gist", about));
  if (message.code !== undefined) line.append(element("span", "code", message.code));
  line.append(time);
  fold.append(line);
  // Made when it is looked at: most never are.
  fold.addEventListener("toggle", () => fold.append(...body(message)), { once: true });
  box.append(fold);
  return box;
}

/** What a message is: its operation, and of what the server says unasked also the type. */
export function title({ eventOp, type }) {
  return eventOp === "presence" ? `presence/${type}` : String(eventOp);
}

/** What tells it from others of its kind, in a few words. */
function gist({ eventOp, type, user, target, sdp, feeds, message, code }) {
  const words = [];
  if (typeof sdp === "object" && sdp !== null) words.push(sdp.type);
  if (eventOp !== "presence" && type !== undefined) words.push(type);
  if (user !== undefined) words.push(`of ${typeof user === "object" ? user.id : user}`);
  if (target !== undefined && user === undefined) words.push(`for ${target}`);
  for (const feed of feeds ?? []) words.push(`${feed.id} ${feed.type}`);
  if (code === undefined ? typeof message === "string" : code !== "200") words.push(`“${message}”`);
  return words.join(", ");
}

function body(message) {
  const descriptions = [];
  const text = JSON.stringify(message, (name, value) => {
    if (typeof value !== "string") return value;
    if (name === "sdp") {
      descriptions.push(value);
      return `… ${value.split("\r\n").length - 1} lines, below …`;
    }
    return value.length > LONGEST ? `${value.slice(0, LONGEST)} … (${value.length} characters)` : value;
  }, 2);
  const json = element("pre", "", text);
  return [json, ...descriptions.map(description)];
}

function description(sdp) {
  const fold = document.createElement("details");
  fold.append(element("summary", "", "The SDP"), element("pre", "", sdp));
  return fold;
}
