// The room page: puts its parts together and says in words what goes on.
//
//   door.js     before and after the call              stay.js      the line, the token, the ways back (signal.js, call.js)
//   sources.js  what we send (devices.js, share.js)    roster.js    who is there
//   tiles.js    the stage                              people.js    the panel, and what administrators may do
//   waiting.js  who waits, for administrators          reactions.js a few signs
//   embed.js    the page around this one
//
// Query parameters: name=Anna, join=1 (enter at once), mic=0 and camera=0 (enter with it off).
// At /embed the same page shows a room of a licence, by its name and an access token for it. They stand, with the parameters
// above, behind the #, which browsers send to no server: /embed#room=Planning&access_token=…&name=Anna&join=1
// Or the page around it says them: /embed?domain=https://shop.example, within a page of that domain (embed.js). Then whoever
// was asked in is not asked again, and there is nothing here until then, window.atrium neither.
// window.atrium is the documented face for tests and for pages that embed this one, and all that they may rely on: .state
// (lobby, joining, waiting, rejected, joined, reconnecting, left; see stay.js), .callId, .members (MEMBERs of the others), .self
// (our own), .speaker (an id or null), and .stats() (a promise, see call.js).

import { Door, comeIn, turnAway } from "./door.js";
import { Embedder } from "./embed.js";
import { $, announce, play, say, unsay } from "./page.js";
import { People } from "./people.js";
import { chooseReaction, inWords } from "./reactions.js";
import { Roster, called, hue, initials } from "./roster.js";
import { canShare } from "./share.js";
import { Offline } from "./signal.js";
import { Sources } from "./sources.js";
import { Stay } from "./stay.js";
import { Tiles } from "./tiles.js";
import { Waiting } from "./waiting.js";

const { domain, roomUuid } = document.body.dataset; // the domain as the server has checked it
const isLicensed = location.pathname === "/embed";
const embedder = domain === "" ? null : new Embedder(domain);
const query = new URLSearchParams(isLicensed ? location.hash.slice(1) : location.search);
const invitation = embedder === null ? inAddress() : await askedIn();
const roomName = isLicensed ? invitation.room : document.body.dataset.roomName;

/** What the address says of who enters where. */
function inAddress() {
  const name = query.get("name") ?? "";
  if (!isLicensed) return { room: roomUuid, name, credentials: null, isAsked: false };
  const credentials = { access_token: query.get("access_token") ?? "" };
  return { room: query.get("room") ?? "", name, credentials, isAsked: false };
}

/** What the page around this one says of it; never, if there is none. */
async function askedIn() {
  if (!embedder.isThere) {
    turnAway("This is a part of another page", `It is shown within pages of ${domain}, and the way into the room leads through them.`);
    return new Promise(() => {});
  }
  comeIn();
  const asked = await embedder.invitation(() => {
    turnAway("You are not in the room", `The page around this one has asked you in without a name, without a room, or with an access token that is not of ${domain}.`);
  });
  $("left").hidden = true; // a request before this one was refused
  $("lobby").hidden = false;
  $("rejoin").hidden = false;
  showBackground(asked.image);
  return { ...asked, isAsked: true };
}

function showBackground(image) {
  if (image === null) return;
  document.body.classList.add("wallpaper");
  document.body.style.backgroundImage = `url(${JSON.stringify(image)})`;
}

let handRaised = false;
let wasInside = false;
let untold = ""; // what was wrong with our devices, for whom no lobby has told it
const roster = new Roster();
const sources = new Sources({ audio: query.get("mic") !== "0", video: query.get("camera") !== "0" }, {
  onChange: paint,
  onSend: (kind) => stay.publish(kind),
  onShare: (sharing) => {
    stay.notify(sharing ? "start_screen_share" : "stop_screen_share");
    announce(sharing ? "You are sharing your screen" : "You no longer share your screen");
  },
  onTrouble: (text) => {
    if (embedder !== null && !stay.inside) untold = text;
    say(text, { bad: true });
  },
});
const stay = new Stay(invitation.room, sources, {
  onState: changed,
  onMedia: sayMedia,
  onJoined: joined,
  onDropped: emptied,
  onNotification: hear,
  onVideo: (id, track) => tiles.show(id, track),
  onSound: (track) => {
    $("sound").srcObject = new MediaStream([track]);
    play($("sound"));
  },
});
const door = new Door(invitation, {
  onEnter: (name, credentials) => stay.enter(name, credentials),
  onCancel: () => stay.cancel(),
  onRejoin: rejoin,
  onName: paint,
});
const tiles = new Tiles($("stage"), () => stay.want(tiles.needs()));
const people = new People({ act, onToggle: paint });
const waiting = new Waiting({
  decide: (method, member) => act(method, { member }, { byToken: true }),
  onChange: paint,
});

// ---- what the person reads

const TROUBLES = {
  line: () => (navigator.onLine ? "The server does not answer. Trying again …" : "You are offline. Waiting for the network …"),
  slow: () => "Too many tries; waiting a moment …",
  draining: () => "The server is about to restart; waiting for it …",
  interrupted: () => "Sound and picture are interrupted. Trying again …",
  lost: () => "The server lost your sound and picture. Coming back …",
};

function changed(state, why, detail) {
  document.body.dataset.state = state;
  $("call").hidden = !stay.inside;
  $("people").hidden = !stay.inside;
  if (why === "unreached") sayMedia(why);
  else say(why in TROUBLES ? TROUBLES[why]() : "", { bad: why in TROUBLES });
  const isOver = door.show(state, why, detail, roomName);
  if (isOver) {
    sources.close();
    handRaised = false;
    if (document.fullscreenElement) document.exitFullscreen();
  }
  paint();
  if (wasInside && isOver) embedder?.left(why === "removed");
  wasInside = stay.inside;
}

/** How far sound and picture are, which come up only after the server has let us in. */
function sayMedia(how) {
  if (how === "connected") {
    unsay("media");
    if (untold !== "") say(untold, { bad: true, seconds: 12 });
    untold = "";
  } else if (how === "connecting") say("Connecting sound and picture …", { about: "media" });
  else say("Sound and picture cannot reach the server; perhaps this network blocks UDP. Trying again …", { bad: true, about: "media" });
}

function paint() {
  const inside = stay.inside;
  const isAdmin = inside && Boolean(roster.own.is_admin);
  if (inside) {
    Object.assign(roster.own, sources.muted, { hand_raised: handRaised, screen_share: sources.sharing });
    const members = roster.everybody;
    tiles.update(members, stay.callId, roster.speaker);
    tiles.show(stay.callId, sources.picture);
    people.update(members, stay.callId, roster.speaker, isAdmin);
    $("people-count").textContent = String(members.length);
    $("alone").hidden = members.length > 1 || sources.sharing;
    $("sharing").hidden = !sources.sharing;
  }
  paintButtons(isAdmin);
  const preview = $("preview-video");
  const shown = $("lobby").hidden ? null : sources.picture;
  if ((preview.srcObject?.getVideoTracks()[0] ?? null) !== shown) {
    preview.srcObject = shown === null ? null : new MediaStream([shown]);
    $("preview").classList.remove("pictured");
  }
  $("preview-avatar").textContent = initials(door.name);
  $("preview").style.setProperty("--hue", String(hue(door.name || "Guest")));
}

function paintButtons(isAdmin) {
  // Labels never change; whether a thing is on or off, aria-pressed says.
  for (const button of document.querySelectorAll("[data-toggle]")) {
    const kind = button.dataset.toggle;
    const imposed = stay.inside && Boolean(roster.own[`${kind}_muted_by_admin`]);
    button.setAttribute("aria-pressed", String(!sources.isOn(kind)));
    button.classList.toggle("imposed", imposed);
    if (imposed) button.setAttribute("aria-describedby", `imposed-${kind}`);
    else button.removeAttribute("aria-describedby");
    button.title = button.getAttribute("aria-label") + (imposed ? `: ${$(`imposed-${kind}`).textContent}` : "");
  }
  $("hand").setAttribute("aria-pressed", String(handRaised));
  $("share").setAttribute("aria-pressed", String(sources.sharing));
  $("full").hidden = !(stay.inside && canFill);
  $("full").setAttribute("aria-pressed", String(document.fullscreenElement !== null));
  $("people").setAttribute("aria-expanded", String(people.isOpen));
  const knocking = isAdmin ? waiting.size : 0;
  $("waiting-room").hidden = knocking === 0;
  $("badge").hidden = knocking === 0;
  $("badge-count").textContent = String(knocking);
  document.title = `${knocking > 0 ? `(${knocking}) ` : ""}${roomName} · Atrium`;
}

// ---- in and out

/** The server has let us in, for the first time or again. */
function joined({ call_id: id, members, is_admin: isAdmin }) {
  const back = roster.own.id === id;
  if (!back) announce(`You are in the room with ${members.length === 1 ? "one other" : `${members.length} others`}`);
  roster.reset(members, back ? { ...roster.own, is_admin: isAdmin } : { id, name: door.name, is_admin: isAdmin });
  // A hand and a shared screen are ours to say; repeating what the server still knows is heard by nobody.
  if (back || handRaised) stay.notify(handRaised ? "raise_hand" : "unraise_hand");
  if (sources.sharing) stay.notify("start_screen_share");
  learn("get_room_members", (all) => {
    // The reply of join_room leaves us out. What we are called, and what an administrator decided, the server knows.
    const own = all.find((member) => member.id === stay.callId);
    if (own !== undefined) roster.own = { ...own };
  });
  if (isAdmin) learn("get_waiting_room_members", (parties) => waiting.reset(parties));
}

/** What is asked only to know it; who is cut off meanwhile will ask again. */
async function learn(method, use) {
  try {
    use(await stay.request(method, {}));
    paint();
  } catch (error) {
    if (!(error instanceof Offline)) console.warn(`atrium: ${method} was refused:`, error);
  }
}

function emptied() {
  $("sound").srcObject = null;
  tiles.clear();
  roster.reset([]);
  roster.speaker = null;
  waiting.reset([]);
  people.close();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close("");
}

async function rejoin() {
  stay.reset();
  await sources.open();
  door.enter();
}

// ---- what the server says

function hear(method, params) {
  if (method === "member_audio_level") {
    tiles.level(params.member, params.audio_level);
    people.level(params.member, params.audio_level);
    return;
  }
  const who = called(roster.find(params.member));
  const isOwn = params.member === stay.callId;
  const news = {
    member_join_room: () => `${called(params)} joined`,
    member_leave_room: () => `${who} left`,
    member_raise_hand: () => `${who} raised a hand`,
    member_start_screen_share: () => `${who} shares the screen`,
    member_send_reaction: () => `${who}: ${inWords(params.reaction)}`,
  }[method];
  if (news !== undefined && !isOwn) announce(news());
  switch (method) {
    case "server_draining":
      say("The server is about to restart. The call goes on until then, and comes back by itself.", { seconds: 12 });
      return;
    case "member_send_reaction":
      tiles.react(params.member, params.reaction);
      return;
    case "member_unmute_video":
      if (!isOwn) stay.ask(params.member);
      break;
    default:
      break;
  }
  if (isOwn && params.by_admin) sayImposed(method);
  if (roster.apply(method, params)) paint();
  else if (roster.own.is_admin) waiting.apply(method, params);
}

function sayImposed(method) {
  const words = {
    member_mute_audio: "An administrator has muted you: nobody hears you.",
    member_unmute_audio: "An administrator lets you speak again.",
    member_mute_video: "An administrator has stopped your camera: nobody sees you.",
    member_unmute_video: "An administrator lets you be seen again.",
  };
  if (method in words) say(words[method], { seconds: 6 });
}

// ---- what the person does

/** An administrator's request. Returns whether it is done; what it changed comes as a notification. */
async function act(method, params, { byToken = false } = {}) {
  try {
    await (byToken ? stay.requestByToken(method, params) : stay.request(method, params));
    return true;
  } catch (error) {
    if (error instanceof Offline) say("The server did not hear that. Please try again.", { bad: true, seconds: 6 });
    // 400 and 404: somebody else did it first, or the one it is about has gone; both the page is told anyway.
    else if (error.code === 400 || error.code === 404) return true;
    else say(`The server refused that: ${error.message}`, { bad: true, seconds: 6 });
    return false;
  }
}

async function toggle(kind) {
  if ($("line").classList.contains("bad") && stay.state !== "reconnecting") say("");
  await sources.toggle(kind);
  if (stay.inside && sources.isOn(kind) && roster.own[`${kind}_muted_by_admin`]) sayImposed(`member_mute_${kind}`);
}

function toggleHand() {
  handRaised = !handRaised;
  stay.notify(handRaised ? "raise_hand" : "unraise_hand");
  paint();
}

function toggleShare() {
  if (sources.sharing) sources.unshare();
  else if (canShare()) sources.share();
}

async function react() {
  const reaction = await chooseReaction();
  if (reaction === "" || !stay.notify("send_reaction", { reaction })) return;
  tiles.react(stay.callId, reaction);
}

// Telephones of Apple have no full screen for pages, and the page around this one may forbid it.
const canFill = embedder !== null && document.fullscreenEnabled === true;

function toggleFull() {
  if (!canFill) return;
  const done = document.fullscreenElement === null ? document.documentElement.requestFullscreen() : document.exitFullscreen();
  done.catch(() => say("The browser did not change to or from the full screen.", { bad: true, seconds: 6 }));
}

function togglePeople() {
  if (people.isOpen) people.close();
  else people.open(roster.own.is_admin ? waiting.first : null);
}

async function copyLink() {
  const address = new URL(location.pathname, location.href).href;
  try {
    await navigator.clipboard.writeText(address);
    say("The link is copied.", { seconds: 3 });
  } catch {
    say(address, { seconds: 12 }); // not allowed here; then by hand
  }
}

// Keys that work wherever one is, but for writing and for questions: while one's picture is to be seen, and in the room.
const KEYS = { m: () => toggle("audio"), v: () => toggle("video") };
const KEYS_INSIDE = { ...KEYS, h: toggleHand, s: toggleShare, r: react, p: togglePeople, f: toggleFull };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest?.("input, dialog") || document.querySelector("dialog[open]")) return;
  const keys = stay.inside ? KEYS_INSIDE : $("lobby").hidden ? {} : KEYS;
  keys[event.key?.toLowerCase()]?.();
});
for (const button of document.querySelectorAll("[data-toggle]")) {
  button.addEventListener("click", () => toggle(button.dataset.toggle));
}
for (const [id, onClick] of Object.entries({
  hand: toggleHand,
  share: toggleShare,
  unshare: toggleShare,
  react,
  full: toggleFull,
  people: togglePeople,
  copy: copyLink,
  leave: () => stay.leave(),
})) {
  $(id).addEventListener("click", onClick);
}
$("share").hidden = !canShare(); // telephones
if (isLicensed) {
  document.querySelector(".room-name").textContent = roomName;
  $("copy").hidden = true; // the way in is for this person only
  window.addEventListener("hashchange", () => location.reload());
}
document.addEventListener("fullscreenchange", () => {
  embedder?.fullScreen(document.fullscreenElement !== null);
  paint();
});
$("preview-video").addEventListener("playing", () => $("preview").classList.add("pictured"));
window.addEventListener("online", () => stay.hurry());
// Closing the page is leaving: the others need not look at a still picture for the length of the grace.
window.addEventListener("pagehide", () => {
  if (stay.state !== "left" && stay.notify("leave_room")) stay.leave();
});

window.atrium = {
  get state() {
    return stay.state;
  },
  get callId() {
    return stay.callId;
  },
  get members() {
    return [...roster.members.values()];
  },
  get self() {
    return { ...roster.own };
  },
  get speaker() {
    return roster.speaker;
  },
  stats: () => stay.stats(),
};

paint();
await sources.open();
if ((invitation.isAsked || query.get("join") === "1") && stay.state === "lobby") door.enter();
