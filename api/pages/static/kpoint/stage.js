// The pictures and the voices: a tile for each member's camera and for each screen, and a line for each member in the list.
// Members are the truth, elements follow; a stream may come before or after the member that it belongs to.

import { element, icon, play } from "../page.js";
import { hue, initials } from "../roster.js";

export class Stage {
  #tiles;
  #list;
  #shown = new Map(); // "cam ann" → {element, video, sound}
  #streams = new Map(); // the same keys → MediaStream

  constructor(tiles, list) {
    this.#tiles = tiles;
    this.#list = list;
  }

  /** members: Members of the contract; own: our id. */
  update(members, own) {
    const wanted = new Map();
    for (const member of members) {
      wanted.set(`cam ${member.id}`, [member, "cam"]);
      if (this.#streams.has(`screen ${member.id}`)) wanted.set(`screen ${member.id}`, [member, "screen"]);
    }
    for (const [key, tile] of this.#shown) {
      if (wanted.has(key)) continue;
      tile.video.srcObject = tile.sound.srcObject = null;
      tile.element.remove();
      this.#shown.delete(key);
    }
    for (const [key, [member, type]] of wanted) {
      const tile = this.#shown.get(key) ?? this.#make(key, member.id, type);
      this.#paint(tile, key, member, type, member.id === own);
    }
    this.#list.replaceChildren(...members.map((member) => person(member, member.id === own)));
  }

  /** What is to be seen and heard of this member's camera or screen, or null. Call `update` after it. */
  show(user, type, stream) {
    const key = `${type} ${user}`;
    if (stream === null) this.#streams.delete(key);
    else this.#streams.set(key, stream);
  }

  clear() {
    this.#streams.clear();
    this.update([], "");
  }

  /** As the event `talking` says. */
  talking(user, talking) {
    this.#shown.get(`cam ${user}`)?.element.classList.toggle("speaking", talking);
  }

  #make(key, user, type) {
    const box = element("li", "tile");
    box.dataset[type === "cam" ? "member" : "screen"] = user;
    const avatar = element("div", "avatar");
    avatar.setAttribute("aria-hidden", "true");
    const video = document.createElement("video");
    // Sound has an element of its own: pictures never make a noise, so the browser lets them play at once.
    video.muted = video.autoplay = video.playsInline = true;
    video.setAttribute("aria-hidden", "true");
    const label = element("div", "label");
    const name = element("span", "name");
    label.append(icon("mic-off"), name);
    const sound = document.createElement("audio");
    box.append(avatar, video, label, sound);
    box.classList.toggle("screen", type === "screen");
    this.#tiles.append(box);
    const tile = { element: box, avatar, video, sound, name };
    // A picture is shown from its first frame on; until then the initials stay.
    video.addEventListener("playing", () => box.classList.toggle("pictured", tile.isSeen));
    this.#shown.set(key, tile);
    return tile;
  }

  #paint(tile, key, member, type, isOwn) {
    const shown = called(member);
    const isScreen = type === "screen";
    tile.avatar.textContent = initials(shown);
    tile.element.style.setProperty("--hue", String(hue(shown)));
    tile.name.textContent = isScreen ? `Screen of ${shown}` : isOwn ? `${shown} (you)` : shown;
    tile.element.classList.toggle("self", isOwn);
    tile.element.classList.toggle("silent", !isScreen && !member.audio);
    const about = isScreen ? [] : [!member.audio && "microphone off", !member.video && "camera off"];
    tile.element.setAttribute("aria-label", [tile.name.textContent, ...about].filter(Boolean).join(", "));
    const stream = this.#streams.get(key) ?? null;
    if (tile.video.srcObject !== stream) {
      tile.video.srcObject = stream;
      if (!isOwn) tile.sound.srcObject = stream;
      if (!isOwn && stream !== null) play(tile.sound);
    }
    tile.isSeen = stream !== null && (isScreen || member.video);
    const { video } = tile;
    tile.element.classList.toggle("pictured", tile.isSeen && !video.paused && video.videoWidth > 0);
  }
}

export function called(member) {
  return member.name || member.id;
}

function person(member, isOwn) {
  const row = element("li", "", "");
  row.dataset.person = member.id;
  row.append(element("b", "", called(member) + (isOwn ? " (you)" : "")));
  if (member.userType === "host") row.append(element("span", "host", "host"));
  const about = [member.device, !member.audio && "microphone off", !member.video && "camera off"].filter(Boolean);
  row.append(element("span", "states", about.join(", ")));
  return row;
}
