// The room page: puts signal, call, roster, devices and tiles together and says in words what goes on.
//
//   lobby → joining → joined ⇄ reconnecting          (lobby is also where a closed room asks for a sign-in)
//                        └──→ left                    (by oneself, by an administrator, the room ended, another tab)
//
// Coming back: a new socket is a stranger, so each one that opens "arrives": with the token it has by `join_room`, which the
// server takes for the same member within its grace, and without a good token by `authenticate` first. The old
// connection plays on until the new one is answered, so a lost socket alone is neither heard nor seen. Only an administrator
// or the person ends a stay: when the server lets a member go because its media were lost, the page joins again by itself.
//
// Query parameters: name=Anna, join=1 (enter at once), mic=0 and camera=0 (enter with it off).
// window.atrium is the documented face for tests and for pages that embed this one, and all that they may rely on: .state
// (as above), .callId, .members (MEMBERs of the others), .speaker (an id or null), and .stats() (a promise, see call.js).

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
const CONNECT_PATIENCE_MS = 8000; // media that take longer are probably held back on their way

let state = "lobby";
let callId = null;
let token = null;
let credentials = {}; // what the sign-in form held, kept in this page only, to come back with
let signal = null;
let call = null;
let arriving = false;
let again = false; // a socket opened, or media were lost, during an arrival
let unreached = false; // the last connection never came up
let patience = 0;
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
function say(text, { bad = false, seconds = 0, about = "" } = {}) {
  clearTimeout(lineTimer);
  const line = $("line");
  line.hidden = text === "";
  line.textContent = text;
  line.classList.toggle("bad", bad);
  line.dataset.about = about;
  if (seconds > 0) lineTimer = setTimeout(() => say(""), seconds * 1000);
}

/** Says how far sound and picture are, which come up only after the server has let us in. */
function sayMedia() {
  if (unreached) {
    say("Sound and picture cannot reach the server; perhaps this network blocks UDP. Trying again …", { bad: true, about: "media" });
  } else {
    say("Connecting sound and picture …", { about: "media" });
  }
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
  const members = [{ ...own, ...roster.imposed }, ...roster.members.values()];
  if (state === "joined" || state === "reconnecting") {
    tiles.update(members, callId, roster.speaker);
    tiles.show(callId, tracks.video);
    $("people-count").textContent = String(members.length);
    $("alone").hidden = members.length > 1;
  }
  for (const button of document.querySelectorAll("[data-toggle]")) {
    button.setAttribute("aria-pressed", String(!on[button.dataset.toggle])); // its label, "… off", never changes
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
  rememberName(ownName());
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

// Storage throws where it is forbidden, as in some private windows and frames; then the name is asked for each time.
function rememberName(name) {
  try {
    localStorage.setItem("atrium.name", name);
  } catch {}
}

function rememberedName() {
  try {
    return localStorage.getItem("atrium.name") ?? "";
  } catch {
    return "";
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
  if (state === "left" || state === "lobby") return;
  if (arriving) {
    again = true; // what is under way may belong to an older socket
    return;
  }
  arriving = true;
  clearTimeout(retry);
  try {
    await comeIn();
  } catch (error) {
    refused(error);
  } finally {
    arriving = false;
    if (again) {
      again = false;
      arrive();
    }
  }
}

/**
 * Joins with the token we hold, else with a new one. If the server does not take this token or call again, or this browser
 * cannot use the answer, it does so once more from the beginning.
 */
async function comeIn() {
  const held = token !== null;
  token ??= await authenticate();
  try {
    await settle();
    return;
  } catch (error) {
    if (error instanceof Offline) throw error;
    if (!(error instanceof RoomError)) {
      console.warn("atrium: the answer could not be used:", error);
      forget();
    } else if (error.code === 409) {
      callId = freshId();
    } else if (!held || ![401, 410].includes(error.code)) {
      throw error;
    }
  }
  token = null;
  token = await authenticate();
  await settle();
}

/** Gives up the stay that the server believes in, so that it does not hold a member without media. */
function forget() {
  signal?.notify("leave_room");
  token = null;
  callId = freshId();
}

/** join_room with a new connection, which replaces the old one once it is answered. */
async function settle() {
  const sources = {
    audio: on.audio ? tracks.audio : null,
    video: tracks.video,
    audience: tracks.audio === null && tracks.video === null,
  };
  const line = signal;
  const next = new Call(line, token, sources, {
    onVideo: (id, track) => tiles.show(id, track),
    onSound: play,
    onConnected: () => {
      unreached = false;
      clearTimeout(patience);
      if ($("line").dataset.about === "media") say("");
    },
    onFailed: (wasConnected) => {
      if (next !== call) return;
      enter("reconnecting");
      unreached = !wasConnected;
      if (unreached) sayMedia();
      else say("Sound and picture are interrupted. Trying again …", { bad: true });
      line.reopen();
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
  if (signal !== line) {
    next.close(); // left, and perhaps joined anew, while the answer was being taken in
    throw new Offline();
  }
  call?.close();
  call = next;
  callId = reply.call_id;
  roster.reset(reply.members);
  enter("joined");
  clearTimeout(patience);
  if (call.connected) {
    say("");
  } else {
    sayMedia();
    patience = setTimeout(() => {
      if (next !== call || next.connected || state !== "joined") return;
      unreached = true;
      sayMedia();
    }, CONNECT_PATIENCE_MS);
  }
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
    forget();
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
  enter("lobby");
  $("signin").hidden = false;
  $("signin").disabled = false;
  $("door-title").textContent = "This room is closed";
  const hint = $("door-hint");
  hint.classList.toggle("bad", tried);
  hint.textContent = signInHint(code);
  // 403 is for those who may be known but are not on the list: only the room's password can help them.
  $(code === 403 && tried ? "room-password" : tried && credentials.username ? "password" : tried ? "room-password" : "username").focus();
  paint();
}

/** What was wrong with the credentials; the server does not tell which of them it was. */
function signInHint(code) {
  const { username, room_password: password } = credentials;
  if (!username && !password) return "Sign in with your account on this server, give the password of the room, or both.";
  if (!username) return "That is not the password of this room.";
  if (code === 403) {
    if (password) return "That is not the password of this room, and you are not on its list.";
    return "You are known, but not on the list of this room. Its password may help.";
  }
  if (password) return "The user name, its password or the password of the room is not right.";
  return "That user name or password is not right, or this room asks for its own password too.";
}

function dropCall() {
  clearTimeout(patience);
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
        if (params.by_admin) leave("You are out of the room", "Somebody took you out, or the room was closed.");
        else comeBack();
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

/** The server let us go because our media were lost, not because anybody wanted it. */
function comeBack() {
  if (state !== "joined" && state !== "reconnecting") return;
  enter("reconnecting");
  if (unreached) sayMedia();
  else say("The server lost your sound and picture. Coming back …", { bad: true });
  arrive();
}

function mutedByAdmin(method) {
  const [, verb, kind] = method.split("_");
  roster.impose(kind, verb === "mute");
  const what = kind === "audio" ? "microphone" : "camera";
  say(`An administrator turned your ${what} ${verb === "mute" ? "off" : "on again"}.`, { seconds: 6 });
}

const nameOf = (id) => roster.members.get(id)?.name || "A guest";

function down(seconds, reason) {
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
    say("Click anywhere, or press a key, to hear the others.");
    const touched = new AbortController();
    const unlock = () => {
      touched.abort();
      sound.play().catch(() => {});
      say("");
    };
    for (const touch of ["pointerdown", "keydown"]) document.addEventListener(touch, unlock, { signal: touched.signal });
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

$("name").value = query.get("name") ?? rememberedName();
paint();
await openDevices();
if (query.get("join") === "1" && state === "lobby") join();
