// The room page: puts signal, call, roster, devices and tiles together and says in words what goes on.
//
//   lobby → joining → joined ⇄ reconnecting          (lobby is also where a closed room asks for a sign-in)
//                        └──→ left                    (by oneself, by an administrator, the room ended, another tab)
//
// Coming back: a new socket is a stranger, so each one that opens "arrives": with the token it has by `join_room`, which the
// server takes for the same member within its grace, and without a good token by `authenticate` first. The old
// connection plays on until the new one is answered, so a lost socket alone is neither heard nor seen.
//
// Query parameters: name=Anna, join=1 (enter at once), mic=0 and camera=0 (enter with it off).
// For tests: window.atrium.state, .callId, .members (MEMBERs of the others), .speaker, and .stats() (see call.js).

import { Call } from "./call.js";
import { capture } from "./devices.js";
import { Roster, hue, initials } from "./roster.js";
import { Offline, RoomError, Signal, roomUrl } from "./signal.js";
import { Tiles } from "./tiles.js";

const $ = (id) => document.getElementById(id);
const room = document.body.dataset.roomUuid;
const roomName = document.body.dataset.roomName;
const query = new URLSearchParams(location.search);

const BUSY_RETRY_MS = 3000; // the server drains or we asked too often
const WAITING_MS = 10000; // how often one who waits at the door says so

let state = "lobby";
let callId = null;
let token = null;
let credentials = {}; // what the sign-in form held, kept in this page only, to come back with
let isWaiting = false;
let signal = null;
let call = null;
let arriving = false;
let retry = 0;
let lineTimer = 0;
const roster = new Roster();
const tracks = { audio: null, video: null };
const on = { audio: query.get("mic") !== "0", video: query.get("camera") !== "0" };
const muting = { audio: "mute_audio", video: "mute_video" };
const tiles = new Tiles($("stage"), () => {
  if (call !== null && state === "joined") call.want(tiles.needs());
});

// ---- what the person reads

/** Says something at the top; bad: it is a trouble; seconds: it goes by itself. An empty text takes it away. */
function say(text, { bad = false, seconds = 0 } = {}) {
  clearTimeout(lineTimer);
  const line = $("line");
  line.hidden = text === "";
  line.textContent = text;
  line.classList.toggle("bad", bad);
  if (seconds > 0) lineTimer = setTimeout(() => say(""), seconds * 1000);
}

/** For those who listen to the page. */
function announce(text) {
  const entry = document.createElement("p");
  entry.textContent = text;
  $("news").replaceChildren(entry);
}

function enter(next) {
  state = next;
  document.body.dataset.state = next;
  const inside = next === "joined" || next === "reconnecting";
  $("lobby").hidden = !(next === "lobby" || next === "joining");
  $("call").hidden = !inside;
  $("left").hidden = next !== "left";
  $("people").hidden = !inside;
  $("join").disabled = next === "joining";
  $("join").textContent = next === "joining" ? "Joining …" : "Join";
}

const ownName = () => $("name").value.trim();

function paint() {
  const own = { id: callId, name: ownName(), audio_muted: !on.audio, video_muted: !on.video };
  const mine = roster.own ?? {};
  own.audio_muted_by_admin = mine.audio_muted_by_admin;
  own.video_muted_by_admin = mine.video_muted_by_admin;
  const members = [own, ...roster.members.values()];
  if (state === "joined" || state === "reconnecting") {
    tiles.update(members, callId, roster.speaker);
    tiles.show(callId, tracks.video);
    $("people-count").textContent = String(members.length);
    $("alone").hidden = members.length > 1;
  }
  for (const button of document.querySelectorAll("[data-toggle]")) {
    const kind = button.dataset.toggle;
    const word = kind === "audio" ? "microphone" : "camera";
    const label = `Turn ${word} ${on[kind] ? "off" : "on"} (${kind === "audio" ? "M" : "C"})`;
    button.setAttribute("aria-pressed", String(!on[kind]));
    button.setAttribute("aria-label", label);
    button.title = label;
  }
  const preview = $("preview-video");
  const shown = state === "lobby" || state === "joining" ? tracks.video : null;
  if ((preview.srcObject?.getVideoTracks()[0] ?? null) !== shown) {
    preview.srcObject = shown === null ? null : new MediaStream([shown]);
    $("preview").classList.remove("pictured");
  }
  $("preview-avatar").textContent = initials(ownName());
  $("preview").style.setProperty("--hue", String(hue(ownName() || "Guest")));
}

// ---- camera and microphone

/** Opens what is switched on and not open yet. What cannot be had is switched off, and the line says why. */
async function openDevices(kinds = ["audio", "video"]) {
  const missing = kinds.filter((kind) => on[kind] && tracks[kind] === null);
  if (missing.length === 0) return;
  const got = await capture(missing);
  for (const kind of missing) {
    const track = got[kind];
    if (track !== null && !on[kind]) {
      track.stop(); // switched off again while the browser was asking
      continue;
    }
    tracks[kind] = track;
    if (track === null) on[kind] = false;
    else track.addEventListener("ended", () => unplugged(kind, track));
  }
  if (got.trouble !== "") say(got.trouble, { bad: true });
  paint();
}

function unplugged(kind, track) {
  if (tracks[kind] !== track) return;
  tracks[kind] = null;
  say(`Your ${kind === "audio" ? "microphone" : "camera"} is gone. Plug it in and turn it on again.`, { bad: true });
  if (on[kind]) toggle(kind);
}

async function toggle(kind) {
  on[kind] = !on[kind];
  paint();
  if (on[kind]) {
    if ($("line").classList.contains("bad") && state !== "reconnecting") say("");
    await openDevices([kind]);
    if (!on[kind]) return; // it could not be had
    if (kind === "audio") tracks.audio.enabled = true;
  } else if (kind === "audio") {
    if (tracks.audio !== null) tracks.audio.enabled = false;
  } else {
    tracks.video?.stop(); // so that the camera's lamp goes out
    tracks.video = null;
  }
  if (call !== null) {
    await call.send(kind, on[kind] ? tracks[kind] : null);
    signal.notify(on[kind] ? `un${muting[kind]}` : muting[kind]);
  }
  paint();
}

function closeDevices() {
  for (const kind of ["audio", "video"]) {
    tracks[kind]?.stop();
    tracks[kind] = null;
  }
}

// ---- in and out

function join() {
  if (state !== "lobby") return;
  localStorage.setItem("atrium.name", ownName());
  credentials = {};
  if (!$("signin").disabled) {
    if ($("username").value !== "") credentials = { username: $("username").value, password: $("password").value };
    if ($("room-password").value !== "") credentials.room_password = $("room-password").value;
  }
  callId ??= freshId();
  enter("joining");
  say("");
  if (signal === null) {
    signal = new Signal(roomUrl(), { onOpen: arrive, onNotification: hear, onDown: down });
    signal.open();
  } else if (signal.isOpen) {
    arrive();
  }
}

function freshId() {
  // crypto.randomUUID exists only in secure contexts; a page over plain HTTP may still listen.
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function authenticate() {
  const ask = () => signal.request("authenticate", { room, call_id: callId, display_name: ownName(), ...credentials });
  try {
    return (await ask()).auth_token;
  } catch (error) {
    if (!(error instanceof RoomError) || error.code !== 409) throw error;
    callId = freshId(); // our old self is still held inside, and we cannot prove to be it
    return (await ask()).auth_token;
  }
}

/** The socket is up: be in the room with it. */
async function arrive() {
  if (arriving || state === "left" || state === "lobby") return;
  arriving = true;
  clearTimeout(retry);
  try {
    const held = token !== null;
    token ??= await authenticate();
    try {
      await settle();
    } catch (error) {
      if (!held || !(error instanceof RoomError) || ![401, 410].includes(error.code)) throw error;
      token = null; // revoked or too old
      token = await authenticate();
      await settle();
    }
  } catch (error) {
    refused(error);
  } finally {
    arriving = false;
  }
}

/** join_room with a new connection, which replaces the old one once it is answered. */
async function settle() {
  const sources = {
    audio: on.audio ? tracks.audio : null,
    video: tracks.video,
    audience: tracks.audio === null && tracks.video === null,
  };
  const next = new Call(signal, token, sources, {
    onVideo: (id, track) => tiles.show(id, track),
    onSound: play,
    onFailed: () => {
      if (next !== call) return;
      enter("reconnecting");
      say("Sound and picture are interrupted. Trying again …", { bad: true });
      signal.reopen();
    },
  });
  let reply;
  const flags = { audio_muted: !on.audio, video_muted: !on.video };
  try {
    reply = await next.join(flags);
  } catch (error) {
    next.close();
    throw error;
  }
  call?.close();
  call = next;
  callId = reply.call_id;
  isWaiting = false;
  roster.reset(reply.members);
  roster.own = {};
  enter("joined");
  say("");
  paint();
  call.want(tiles.needs());
  // Switched while the reply travelled: say how it is now.
  for (const kind of ["audio", "video"]) {
    if (flags[`${kind}_muted`] === !on[kind]) continue;
    await call.send(kind, on[kind] ? tracks[kind] : null);
    signal.notify(on[kind] ? `un${muting[kind]}` : muting[kind]);
  }
}

function refused(error) {
  if (error instanceof Offline) return; // the next socket arrives anew
  if (!(error instanceof RoomError)) {
    console.error(error);
    backToLobby("This browser could not set up sound and picture.", error.message);
    return;
  }
  switch (error.code) {
    case 401:
    case 403:
      askToSignIn(error.code);
      break;
    case 404:
      leave("The room has ended", "Perhaps it was closed, or its name has changed.");
      break;
    case 429:
    case 503:
      say(error.code === 429 ? "Too many tries; waiting a moment …" : "The server is about to restart; waiting for it …", { bad: true });
      retry = setTimeout(arrive, BUSY_RETRY_MS);
      break;
    case 488:
      backToLobby("This browser and the server have no way of coding sound and picture in common.", "");
      break;
    default:
      backToLobby("The server did not let you in.", `${error.message} (${error.code})`);
  }
}

function backToLobby(text, detail) {
  dropCall();
  enter("lobby");
  say(detail === "" ? text : `${text} ${detail}`, { bad: true });
  paint();
}

function askToSignIn(code) {
  const tried = Object.keys(credentials).length > 0;
  dropCall();
  token = null;
  isWaiting = code === 403;
  enter("lobby");
  $("signin").hidden = false;
  $("signin").disabled = false;
  $("door-title").textContent = "This room is closed";
  const hint = $("door-hint");
  hint.classList.toggle("bad", tried);
  if (!tried) hint.textContent = "Sign in with your account on this server, or give the password of the room.";
  else if (code === 401) hint.textContent = "That user name or password is not right.";
  else hint.textContent = "You are known, but not on the list of this room. Its password may help.";
  $(tried ? "password" : "username").focus();
  paint();
}

function dropCall() {
  call?.close();
  call = null;
  $("sound").srcObject = null;
  tiles.clear();
  roster.reset([]);
  roster.speaker = null;
}

/** Out of the room, for whatever reason; the page says which and offers the way back. */
function leave(title = "You left the room", hint = `“${roomName}” stays open for the others.`) {
  signal?.notify("leave_room");
  signal?.close();
  signal = null;
  clearTimeout(retry);
  dropCall();
  closeDevices();
  token = null;
  callId = null; // a new stay is a new call
  $("left-title").textContent = title;
  $("left-hint").textContent = hint;
  say("");
  enter("left");
  $("left-title").focus();
}

async function rejoin() {
  enter("lobby");
  await openDevices();
  join();
}

// ---- what the server says

function hear(method, params) {
  switch (method) {
    case "member_allowed":
      if (isWaiting && state === "lobby") {
        token = params.auth_token;
        enter("joining");
        arrive();
      }
      return;
    case "member_rejected":
      if (isWaiting) say("Nobody inside wanted to let you in.", { bad: true });
      isWaiting = false;
      return;
    case "media_lost":
      enter("reconnecting");
      say("The server lost your sound and picture. Trying again …", { bad: true });
      arrive();
      return;
    case "server_draining":
      say("The server is about to restart. The call goes on until then, and comes back by itself.", { seconds: 12 });
      return;
    case "member_leave_room":
      if (params.member === callId) {
        leave("You are out of the room", params.by_admin ? "Somebody took you out, or the room was closed." : "");
        return;
      }
      announce(`${nameOf(params.member)} left`);
      break;
    case "member_join_room":
      announce(`${params.name || "A guest"} joined`);
      break;
    case "member_mute_audio":
    case "member_unmute_audio":
    case "member_mute_video":
    case "member_unmute_video":
      if (params.member === callId) mutedByAdmin(method);
      else if (method === "member_unmute_video") call?.ask(params.member);
      break;
    default:
      break;
  }
  if (roster.apply(method, params) || params.member === callId) paint();
}

function mutedByAdmin(method) {
  const [, verb, kind] = method.split("_");
  roster.own[`${kind}_muted_by_admin`] = verb === "mute";
  const what = kind === "audio" ? "microphone" : "camera";
  say(`An administrator turned your ${what} ${verb === "mute" ? "off" : "on again"}.`, { seconds: 6 });
}

const nameOf = (id) => roster.members.get(id)?.name || "A guest";

function down(seconds, reason) {
  isWaiting = false;
  if (reason === "elsewhere") {
    // The call belongs to the other socket now: leaving for it would take that one out too.
    signal = null;
    leave("You joined from somewhere else", "This page has handed the call over.");
    return;
  }
  if (state === "joined") enter("reconnecting");
  if (state === "joining" || state === "reconnecting") {
    say(navigator.onLine ? "The server does not answer. Trying again …" : "You are offline. Waiting for the network …", { bad: true });
  }
}

function play(track) {
  const sound = $("sound");
  sound.srcObject = new MediaStream([track]);
  sound.play().catch((error) => {
    if (error.name !== "NotAllowedError") return;
    // No sound before the first touch of a page: that is the browser's rule, so ask for one.
    say("Click anywhere to hear the others.");
    document.addEventListener("pointerdown", () => {
      sound.play().catch(() => {});
      say("");
    }, { once: true });
  });
}

// ---- hands

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  join();
});
$("name").addEventListener("input", paint);
$("leave").addEventListener("click", () => leave());
$("rejoin").addEventListener("click", rejoin);
$("preview-video").addEventListener("playing", () => $("preview").classList.add("pictured"));
$("copy").addEventListener("click", async () => {
  const address = new URL(location.pathname, location.href).href;
  try {
    await navigator.clipboard.writeText(address);
    say("The link is copied.", { seconds: 3 });
  } catch {
    say(address, { seconds: 12 }); // not allowed here; then by hand
  }
});
for (const button of document.querySelectorAll("[data-toggle]")) {
  button.addEventListener("click", () => toggle(button.dataset.toggle));
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.closest?.("input")) return;
  if (state !== "lobby" && state !== "joined" && state !== "reconnecting") return;
  if (event.key === "m" || event.key === "M") toggle("audio");
  if (event.key === "c" || event.key === "C") toggle("video");
});
window.addEventListener("online", () => {
  if (state === "reconnecting" || state === "joining") signal?.reopen();
});
// Closing the page is leaving: the others need not look at a still picture for the length of the grace.
window.addEventListener("pagehide", () => {
  if (signal?.isOpen) leave();
});
setInterval(() => {
  if (isWaiting) signal?.notify("still_waiting");
}, WAITING_MS);

window.atrium = {
  get state() {
    return state;
  },
  get callId() {
    return callId;
  },
  get members() {
    return [...roster.members.values()];
  },
  get speaker() {
    return roster.speaker;
  },
  stats: async () => (call === null ? null : call.stats()),
};

$("name").value = query.get("name") ?? localStorage.getItem("atrium.name") ?? "";
paint();
await openDevices();
if (query.get("join") === "1" && state === "lobby") join();
