// A member of a room: one line that tells how it fares, and behind it each stream of each of its connections.

import { icon } from "../page.js";
import { hue, initials } from "../roster.js";
import { Rows, h, row, set, table, write } from "./dom.js";
import { bitRate, count, counted, dialect, duration, exact, milliseconds, percent } from "./format.js";
import { paintLoss } from "./parts.js";

const SILENT_MS = 3000; // from then on a stream is said to have stopped

const COMMON = [
  { name: "what", label: "Stream" },
  { name: "codec", label: "Codec" },
  { name: "bps", label: "Bit rate", number: true },
  { name: "packets", label: "Packets/s", number: true },
  { name: "now", label: "Loss now", number: true },
  { name: "loss", label: "Loss in all", number: true, title: "Share and number of packets since the stream began" },
];
const SENT = [
  ...COMMON,
  { name: "repaired", label: "Recovered", number: true, title: "Of the lost packets, those that came when asked for again" },
  { name: "jitter", label: "Jitter", number: true },
  { name: "state", label: "State" },
];
const RECEIVED = [
  ...COMMON,
  { name: "repaired", label: "Sent again", number: true, title: "Packets sent once more because the receiver asked" },
  { name: "jitter", label: "Jitter", number: true },
  { name: "rtt", label: "Round trip", number: true },
  { name: "why", label: "Why it gets this" },
];
const STATES = { new: "Connecting", connected: "Connected", closed: "Closed" };

export function memberCard(member, client) {
  const avatar = h("span", { class: "avatar", "aria-hidden": "true" });
  const name = h("span", { class: "name" });
  const about = h("span", { class: "states" });
  const since = h("time", { datetime: member.since, title: exact(member.since) });
  const mutes = h("span", { class: "mutes" });
  const audio = mute("mic-off");
  const video = mute("camera-off");
  mutes.append(audio.element, video.element);
  const sends = fact("Sends", "up");
  const receives = fact("Receives", "down");
  const trip = fact("Round trip");
  const loss = fact("Loss");
  set(loss.value, "class", "loss");
  const body = h("div", { class: "streams" });
  const none = h("p", { class: "hint" });
  const connections = h("div");
  body.append(none, connections);
  const rows = new Rows(connections, () => connectionPart());
  const details = h("details", {},
    h("summary", {}, avatar,
      h("span", { class: "who" }, name, h("span", { class: "states" }, about, " · ", since)),
      mutes, h("span", { class: "facts" }, sends.element, receives.element, trip.element, loss.element), icon("more")),
    body);
  const element = h("li", { class: "member", "data-member": member.id }, details);
  const paint = (now) => {
    const called = now.name || "A guest";
    write(avatar, initials(called));
    avatar.style.setProperty("--hue", String(hue(called)));
    write(name, called);
    const user = now.user !== null && now.user !== now.id && `user ${now.user}`;
    write(about, [dialect(now.dialect), now.is_admin && "admin", user].filter(Boolean).join(" · "));
    write(since, `in for ${duration((client.now() - Date.parse(now.since)) / 1000)}`);
    audio.paint(now.audio_muted, now.audio_muted_by_admin, "Microphone off", "Muted by an admin");
    video.paint(now.video_muted, now.video_muted_by_admin, "Camera off", "Camera stopped by an admin");
    write(sends.value, bitRate(now.in_bps));
    write(receives.value, bitRate(now.out_bps));
    write(trip.value, milliseconds(now.rtt_us || null));
    paintLoss(loss.value, now.loss);
    none.hidden = now.connections.length > 0;
    write(none, now.dialect === "kpoint"
      ? "Nothing flows through the server: either nothing is sent yet, or sound and picture go from browser to browser."
      : "Nothing flows yet.");
    rows.update(now.connections, (each) => each.key);
  };
  return { element, paint };
}

function fact(label, picture = null) {
  const value = h("b", {}, "–");
  const name = h("span", { class: "fact-name" }, picture === null ? null : icon(picture), label);
  return { element: h("span", { class: "fact" }, name, " ", value), value };
}

/** Who has muted it is told by colour and in words. */
function mute(picture) {
  const words = h("span", { class: "unheard" });
  const element = h("span", { class: "mute", hidden: true }, icon(picture), words);
  const paint = (own, imposed, said, saidOfAdmin) => {
    element.hidden = !own && !imposed;
    element.classList.toggle("imposed", imposed);
    const text = imposed ? saidOfAdmin : said;
    write(words, text);
    set(element, "title", text);
  };
  return { element, paint };
}

function connectionPart() {
  const what = h("h3");
  const state = h("span", { class: "chip" });
  const facts = h("p", { class: "hint" });
  const sent = streams("sent", "What it sends", SENT, paintSent);
  const received = streams("received", "What it receives", RECEIVED, paintReceived);
  const head = h("div", { class: "connection-head" }, what, state, facts);
  const element = h("section", { class: "connection" }, head, sent.element, received.element);
  const paint = (now) => {
    write(what, { camera: "Microphone and camera", screen: "Screen" }[now.publishes] ?? "Receives only");
    write(state, STATES[now.state] ?? now.state);
    set(state, "data-state", now.state);
    write(facts, [now.path, now.profile && `SRTP ${now.profile}`].filter(Boolean).join(" · "));
    sent.paint(now.inbound, now.publishes);
    received.paint(now.outbound, now.publishes);
  };
  return { element, paint };
}

function streams(way, caption, columns, paintCells) {
  const made = table(caption, columns, { class: "flows" });
  const heading = h("h4", {}, caption);
  const element = h("div", { class: `flow ${way}` }, heading, made.element);
  const rows = new Rows(made.body, ([stream]) => {
    const { element: line, cells } = row(columns, { "data-stream": `${stream.kind} ${stream.mid}` });
    const now = h("span", { class: "loss" });
    cells.now.append(now);
    return { element: line, paint: ([each, publishes]) => paintCells(cells, now, each, publishes) };
  });
  const paint = (list, publishes) => {
    element.hidden = list.length === 0;
    rows.update(list.map((each) => [each, publishes]), ([each]) => each.key);
  };
  return { element, paint };
}

function paintCommon(cells, now, stream) {
  write(cells.codec, codecName(stream.codec));
  write(cells.bps, bitRate(stream.bps));
  write(cells.packets, count(stream.packets_s));
  paintLoss(now, stream.loss_now);
  write(cells.loss, stream.lost > 0 ? `${percent(stream.loss)} (${count(stream.lost)})` : percent(stream.loss));
  write(cells.jitter, stream.packets === 0 ? "–" : milliseconds(stream.jitter_us));
}

function paintSent(cells, now, stream, publishes) {
  write(cells.what, own(stream.kind, publishes));
  paintCommon(cells, now, stream);
  write(cells.repaired, count(stream.recovered));
  write(cells.state, stateOf(stream));
}

function paintReceived(cells, now, stream) {
  write(cells.what, foreign(stream));
  paintCommon(cells, now, stream);
  write(cells.repaired, count(stream.retransmitted));
  write(cells.rtt, milliseconds(stream.rtt_us || null));
  write(cells.why, sentence(stream.reason));
}

function own(kind, publishes) {
  if (publishes === "screen") return kind === "audio" ? "Sound of its screen" : "Its screen";
  return kind === "audio" ? "Its sound" : "Its picture";
}

function foreign({ kind, from, media_source }) {
  if (from === null) return kind === "audio" ? "Sound of the room" : "A picture";
  if (kind === "audio") return media_source === "screen" ? `Sound of ${from}'s screen` : `Sound of ${from}`;
  return media_source === "screen" ? `Screen of ${from}` : `Picture of ${from}`;
}

function stateOf(stream) {
  if (stream.cut) return "Cut by an admin";
  if (stream.age_ms < 0) return "Nothing has come yet";
  if (stream.age_ms > SILENT_MS) return `Nothing for ${duration(stream.age_ms / 1000)}`;
  if (stream.kind === "audio") return "Flowing";
  return `${counted(stream.keyframes, "key frame")}, ${count(stream.key_requests)} asked for`;
}

function codecName(codec) {
  if (codec === null) return "–";
  return codec.toLowerCase() === "opus" ? "Opus" : codec.toUpperCase();
}

function sentence(words) {
  return words === "" ? "–" : words[0].toLocaleUpperCase() + words.slice(1);
}
