// The KPOINT demo: a call by this protocol with every message beside it, for people who write clients. What to read, and to copy:
//
//   client.js  the socket, requests and events        p2p.js    a call from browser to browser
//   legs.js    one connection for each direction      group.js  a call through the server
//
// This file is what an application does with them: register, room, join, publish, leave. stage.js, log.js and board.js are the
// page's own.
//
// Query parameters: room=r1234567, kind=p2p or group, name=Ann, join=1 (start at once).
// window.kpoint is the documented face for tests: .state (idle, registered, joined), .userId, .roomId, .members (by id), .share
// and .stats() (a promise, see legs.js).

import { capture } from "../devices.js";
import { $, announce, element, say } from "../page.js";
import { canShare, captureScreen } from "../share.js";
import { Board } from "./board.js";
import { KpointClient, KpointError, kpointUrl } from "./client.js";
import { GroupCall } from "./group.js";
import { Log } from "./log.js";
import { P2PCall } from "./p2p.js";
import { Stage, called } from "./stage.js";

const CHAT_KEPT = 100;

const query = new URLSearchParams(location.search);
const stage = new Stage($("tiles"), $("members"));
const log = new Log($("messages"), (waiting) => {
  $("pause").setAttribute("aria-pressed", String(log.isPaused));
  $("waiting").textContent = waiting > 0 ? ` (${waiting} wait)` : "";
});
const board = new Board($("board"), (fields) => client?.send("drawing", { roomId: room.id, ...fields }));

let client = null; // a KpointClient, from its opening to its end
let isRegistered = false;
let call = null; // a P2PCall or GroupCall, while we are in a room
let room = null; // {id, isGroup}, while we are in it
let members = new Map(); // id → Member
let share = null; // {type, user}: what is shared in the room
let screen = null; // the track of our own screen
let camera = { audio: null, video: null }; // tracks
const isOn = { audio: true, video: true };

// ---- what an application does

async function register() {
  if (client === null) {
    client = new KpointClient();
    wire(client);
    await client.open(kpointUrl());
  }
  const wished = $("user-id").value.trim();
  const reply = await client.register({
    cpCode: $("cp-code").value.trim(),
    authKey: $("auth-key").value.trim(),
    ...(wished !== "" && { userId: wished }),
    name: $("name").value.trim(),
    device: "Browser",
    forced: $("forced").checked,
  });
  isRegistered = true;
  $("user-id").value = reply.userId;
  remember();
}

/** With what is in the form; the creator is the room's host, and not inside yet. */
async function createRoom() {
  const roomId = $("room").value.trim();
  const isGroup = $("group").checked;
  const fields = { ...(roomId !== "" && { roomId }), destroy: true, ...(isGroup && { talkingNoty: true }) };
  const reply = await client.request(isGroup ? "createVideoRoom" : "createRoom", fields);
  $("room").value = reply.roomId;
}

async function join() {
  await openDevices();
  let reply;
  try {
    reply = await client.request("joinRoom", { roomId: $("room").value.trim() });
  } catch (error) {
    closeDevices();
    throw error;
  }
  // What follows must not wait for anything before the call is there: the next message may be for it.
  room = { id: reply.roomId, isGroup: reply.media };
  members = new Map(Object.entries(reply.members));
  call = new (room.isGroup ? GroupCall : P2PCall)(client, reply, {
    onMedia: (user, type, stream) => {
      stage.show(user, type, stream);
      paint();
    },
    onFailed: (user) => say(`No way for sound and picture ${room.isGroup ? "to or from the server" : `between us and ${who(user)}`}.`, { bad: true }),
    onTrouble: trouble,
  });
  if (reply.share !== undefined) shareBegan(reply.share.type, reply.share.user, true);
  await publishCamera();
  if (!isOn.audio || !isOn.video) await tellDevices();
}

/** Who has neither microphone nor camera may still look on. */
async function publishCamera() {
  const tracks = Object.values(camera).filter((track) => track !== null);
  if (camera.video !== null) stage.show(client.userId, "cam", new MediaStream([camera.video]));
  paint();
  if (tracks.length > 0) await call.publish("cam", tracks);
}

/** All of it, as a client that wants a call would do it. */
async function start() {
  if (!isRegistered) await register();
  try {
    await createRoom();
  } catch (error) {
    if (error.code !== "443") throw error; // it exists: somebody was here first, and we join them
  }
  await join();
}

async function leave() {
  const { id } = room;
  out();
  await client.request("leaveRoom", { roomId: id });
}

async function openDevices() {
  const missing = ["audio", "video"].filter((kind) => camera[kind] === null);
  const got = await capture(missing);
  for (const kind of missing) {
    if (camera[kind] !== null) got[kind]?.stop(); // asked for twice
    else camera[kind] = got[kind];
    isOn[kind] &&= camera[kind] !== null;
    if (camera[kind] !== null) camera[kind].enabled = isOn[kind];
  }
  if (got.trouble !== "") say(got.trouble, { bad: true });
}

/** So that no lamp stays on. */
function closeDevices() {
  for (const track of Object.values(camera)) track?.stop();
  camera = { audio: null, video: null };
}

/** A microphone that is off sends silence, and a camera black; the flag is what the others' pages go by. */
async function toggle(kind) {
  const isNew = camera[kind] === null;
  if (isNew) await openDevices();
  if (room === null) closeDevices(); // we left while the browser asked
  if (camera[kind] === null) return;
  isOn[kind] = !isOn[kind];
  camera[kind].enabled = isOn[kind];
  if (isNew) await publishCamera(); // a device that was not there before
  await tellDevices();
}

async function tellDevices() {
  Object.assign(members.get(client.userId), isOn);
  paint();
  await client.request("editUserInfo", { roomId: room.id, ...isOn });
}

/** The share first, then the picture: the server takes no "screen" from whoever does not hold the share. */
async function shareScreen() {
  const { track, trouble: why } = await captureScreen();
  if (why !== "") say(why, { bad: true });
  if (track === null) return;
  if (room !== null) {
    try {
      await client.request("screen", { roomId: room.id });
    } catch (error) {
      track.stop();
      throw error;
    }
  }
  if (room === null) return void track.stop(); // we left while the browser asked
  screen = track;
  screen.addEventListener("ended", () => attempt(stopShare)); // the browser has a button of its own
  shareBegan("screen", client.userId);
  stage.show(client.userId, "screen", new MediaStream([track]));
  paint();
  await call.publish("screen", [track]);
}

async function shareBoard() {
  await client.request("whiteboard", { roomId: room.id });
  board.show(null);
  shareBegan("whiteboard", client.userId);
}

async function stopShare() {
  if (room === null || share?.user !== client.userId) return;
  shareEnded(client.userId);
  await client.request("shareStop", { roomId: room.id });
}

async function sendChat() {
  const message = $("chat-text").value;
  if (message === "") return;
  await client.request("chat", { roomId: room.id, message });
  $("chat-text").value = "";
  addChat(members.get(client.userId), message); // nobody hears its own event
}

// ---- what the server says

function wire(opened) {
  const on = (type, act) => opened.addEventListener(type, ({ detail }) => act(detail));
  // What was said to the room before the server heard that we left it comes too late.
  const inRoom = (type, act) => on(type, (detail) => room !== null && act(detail));
  on("message", ({ direction, message }) => log.add(direction, message));
  inRoom("join", ({ user }) => {
    members.set(user.id, user);
    announce(`${called(user)} joined`);
    paint();
  });
  inRoom("leave", ({ user }) => {
    announce(`${who(user)} left`);
    members.delete(user);
    paint();
  });
  inRoom("publish", ({ feeds }) => {
    for (const feed of feeds) if (feed.type === "cam") members.set(feed.id, { ...feed });
    paint();
  });
  inRoom("editUserInfo", ({ user, name, video, audio }) => {
    if (members.has(user)) Object.assign(members.get(user), { name, video, audio });
    paint();
  });
  inRoom("talking", ({ user, talking }) => stage.talking(user, talking));
  inRoom("screen", ({ user }) => shareBegan("screen", user));
  inRoom("whiteboard", ({ user }) => {
    board.show(null);
    shareBegan("whiteboard", user);
  });
  inRoom("document", ({ user }) => shareBegan("document", user));
  inRoom("shareStop", ({ user }) => shareEnded(user));
  inRoom("drawing", (fields) => board.draw(fields));
  inRoom("reqCanvasImage", ({ sender }) => attempt(() => client.request("updateImage", { roomId: room.id, target: sender, img: board.image })));
  inRoom("updateImage", ({ img }) => board.show(img));
  inRoom("chat", ({ user, message }) => addChat(members.get(user) ?? { id: user }, message));
  inRoom("inform", ({ user, message }) => addChat(members.get(user) ?? { id: user }, JSON.stringify(message)));
  inRoom("kickOut", ({ user }) => {
    say(`${who(user)} asks you to leave.`);
    attempt(leave); // the server leaves it to the client
  });
  inRoom("end", ({ user }) => {
    out();
    say(user === "" ? "The server has ended the room." : `${who(user)} has ended the room.`);
  });
  on("draining", () => say("The server is about to restart."));
  on("refused", trouble);
  on("closed", ({ code }) => {
    if (client !== opened) return;
    client = null;
    isRegistered = false;
    if (room !== null) out();
    if (code !== 1000) say(CLOSED[code] ?? `The connection to the server is gone (${code}).`, { bad: true });
    paint();
  });
}

/** isLate: it was there before we came. */
function shareBegan(type, user, isLate = false) {
  share = { type, user };
  if (isLate && type === "whiteboard") attempt(() => client.request("reqCanvasImage", { roomId: room.id, target: user }));
  if (user !== client.userId) say(`${who(user)} shares a ${type}.`, { seconds: 4 });
  paint();
}

function shareEnded(user) {
  if (user === client.userId && screen !== null) {
    screen.stop();
    screen = null;
    call.unpublish("screen");
    stage.show(user, "screen", null);
  }
  share = null;
  paint();
}

/** Out of the room, by our own wish or not. */
function out() {
  const ended = call;
  call = room = share = null;
  ended.close();
  closeDevices();
  screen?.stop();
  screen = null;
  members.clear();
  stage.clear();
  $("chat").replaceChildren();
  paint();
}

// ---- what the person reads

const REFUSED = {
  register: { 401: "The server does not take this cpCode with this authKey. (It never says why: unknown, expired, disabled …)" },
  401: "The licence is not valid any more.",
  405: "That does not fit: another kind of room, or you are in a room already.",
  409: "This userId is in use. Take it over, or choose another one.",
  410: "That member is not there.",
  413: "You are not allowed to do that.",
  440: "Somebody is sharing already. One thing at a time.",
  441: "There is no such room. Create it first.",
  442: "You are in this room already.",
  443: "There is a room of that name already. You can join it.",
  444: "The room is full.",
  445: "The licence allows no more, or the text is too long.",
  504: "The media side of the server did not answer in time.",
  570: "The server could not do anything with this browser's sound and picture.",
};
const CLOSED = {
  1006: "The connection to the server is gone.",
  1009: "The server closed the connection: a message was too large.",
  1012: "The server is restarting.",
  4029: "The server closed the connection: too many messages.",
  4403: "The server closed the connection: the licence is disabled.",
  4408: "The server closed the connection: nobody registered on it.",
  4409: "This userId has registered from somewhere else.",
};

function trouble(error) {
  if (!(error instanceof KpointError)) console.warn("kpoint:", error);
  const words = REFUSED[error.eventOp]?.[error.code] ?? REFUSED[error.code] ?? "";
  const said = error.code ? `${words} [${error.eventOp}: ${error.code} ${error.message}]` : error.message;
  say(said.trim(), { bad: true });
}

const who = (user) => called(members.get(user) ?? { id: user });

function addChat(member, text) {
  const line = element("li");
  line.append(element("b", "", called(member)), ` ${text}`);
  $("chat").append(line);
  while ($("chat").childElementCount > CHAT_KEPT) $("chat").firstElementChild.remove();
  $("chat").scrollTop = $("chat").scrollHeight;
}

let isBusy = false; // the person waits for something

function paint() {
  const inside = room !== null;
  document.body.dataset.state = state();
  stage.update([...members.values()], client?.userId);
  const mine = inside && share?.user === client.userId;
  for (const [id, isPossible] of Object.entries({
    start: !inside,
    register: !isRegistered,
    create: isRegistered && !inside,
    join: isRegistered && !inside,
    leave: inside,
    disconnect: client !== null,
    mic: inside,
    camera: inside,
    screen: inside && canShare() && (share === null || (mine && share.type === "screen")),
    whiteboard: inside && (share === null || (mine && share.type === "whiteboard")),
  })) $(id).disabled = !isPossible || (isBusy && !(id in DEVICES));
  for (const id of ["cp-code", "auth-key", "user-id", "name"]) $(id).disabled = isRegistered;
  for (const id of ["room", "p2p", "group"]) $(id).disabled = inside;
  $("mic").setAttribute("aria-pressed", String(!isOn.audio));
  $("camera").setAttribute("aria-pressed", String(!isOn.video));
  $("screen").setAttribute("aria-pressed", String(mine && share.type === "screen"));
  $("whiteboard").setAttribute("aria-pressed", String(mine && share.type === "whiteboard"));
  $("drawing").hidden = share?.type !== "whiteboard";
  $("nobody").hidden = inside;
  $("inside").hidden = !inside;
  $("bar").hidden = !inside;
  const second = new URLSearchParams({ room: $("room").value, kind: $("group").checked ? "group" : "p2p", join: "1" });
  $("second").href = `/kpoint-demo?${second}`;
}

function state() {
  if (room !== null) return "joined";
  return isRegistered ? "registered" : "idle";
}

// ---- what the person does

const DEVICES = { mic: "audio", camera: "video" };

/** What goes wrong with it is said. */
async function attempt(act) {
  try {
    await act();
  } catch (error) {
    trouble(error);
  }
  paint();
}

/** One such thing at a time. */
async function waitFor(act) {
  isBusy = true;
  paint();
  await attempt(act);
  isBusy = false;
  paint();
}

/** The second tab knows the key too; the browser forgets it with the tabs. */
function remember() {
  try {
    for (const id of ["cp-code", "auth-key"]) sessionStorage.setItem(`kpoint.${id}`, $(id).value);
  } catch {} // storage is forbidden here; then it is typed again
}

/** What was typed in this tab or in the one that opened it, else the demo licence, if the server has one and tells. */
async function fillIn() {
  $("user-id").value = `u${digits(6)}`;
  $("name").value = query.get("name") ?? `Guest ${digits(2)}`;
  $("room").value = query.get("room") ?? `r${digits(7)}`;
  $(query.get("kind") === "group" ? "group" : "p2p").checked = true;
  try {
    for (const id of ["cp-code", "auth-key"]) $(id).value = sessionStorage.getItem(`kpoint.${id}`) ?? "";
  } catch {}
  if ($("cp-code").value !== "") return;
  const answer = await fetch("/kpoint-demo/key");
  if (!answer.ok) return;
  const { cpCode, authKey } = await answer.json();
  $("cp-code").value = cpCode;
  $("auth-key").value = authKey;
}

const digits = (count) => Array.from({ length: count }, () => Math.floor(Math.random() * 10)).join("");

for (const [id, act] of Object.entries({
  register,
  create: createRoom,
  join,
  leave,
  disconnect: () => client.close(),
  screen: () => (screen === null ? shareScreen() : stopShare()),
  whiteboard: () => (share === null ? shareBoard() : stopShare()),
})) $(id).addEventListener("click", () => waitFor(act));
for (const [id, kind] of Object.entries(DEVICES)) $(id).addEventListener("click", () => attempt(() => toggle(kind)));
for (const [id, act] of [["call-form", () => waitFor(start)], ["chat-form", () => attempt(sendChat)]]) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    say("");
    act();
  });
}
for (const id of ["room", "p2p", "group"]) $(id).addEventListener("input", paint);
$("pause").addEventListener("click", () => log.toggle());
$("clear").addEventListener("click", () => log.clear());
$("wipe").addEventListener("click", () => board.clear());
window.addEventListener("pagehide", () => client?.close());

window.kpoint = {
  get state() {
    return state();
  },
  get userId() {
    return client?.userId ?? "";
  },
  get roomId() {
    return room?.id ?? "";
  },
  get members() {
    return Object.fromEntries(members);
  },
  get share() {
    return share;
  },
  stats: async () => (call === null ? [] : call.stats()),
};

await fillIn();
paint();
if (query.get("join") === "1") await waitFor(start);
