// The stage: one 16:9 tile per member, as large as fits, in the order of arrival. Who speaks gets a border, not another place:
// faces that change places are hard to follow.
//
// `layout` is pure and is tested by itself. `Tiles` owns the elements; members are the truth, elements follow.

import { hue, initials, isSilent, isUnseen } from "./roster.js";

const GAP = 12;
const LEAST_WIDTH = 156; // below this a face is no face: then the stage scrolls instead
const SMALL_HEIGHT = 130; // here name and initials need to make way for each other
// Sizes asked of the server come from a short list, so that dragging a window's edge does not renegotiate at each pixel.
const HEIGHTS = [90, 180, 270, 360, 540, 720, 1080];

/** How `count` tiles fill a space: {columns, rows, width, height, scrolls}, sizes of one tile in whole CSS pixels. */
export function layout(count, width, height, gap = GAP, least = LEAST_WIDTH) {
  let best = { columns: 1, rows: Math.max(count, 1), width: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = ((height - gap * (rows - 1)) / rows) * (16 / 9);
    const tile = Math.floor(Math.min(byWidth, byHeight));
    if (tile > best.width) best = { columns, rows, width: tile };
  }
  let scrolls = false;
  if (best.width < least && count > 0) {
    const columns = Math.max(1, Math.min(count, Math.floor((width + gap) / (least + gap))));
    const rows = Math.ceil(count / columns);
    best = { columns, rows, width: Math.max(0, Math.floor((width - gap * (columns - 1)) / columns)) };
    scrolls = rows * ((best.width * 9) / 16) + gap * (rows - 1) > height;
  }
  return { ...best, height: Math.floor((best.width * 9) / 16), scrolls };
}

/** The size to ask of the server for a tile of this height on this screen. */
export function wantedSize(tileHeight, pixelRatio = 1) {
  const pixels = tileHeight * Math.min(pixelRatio, 2);
  const height = HEIGHTS.find((one) => one >= pixels * 0.9) ?? HEIGHTS[HEIGHTS.length - 1];
  return { width: (height * 16) / 9, height };
}

export class Tiles {
  #stage;
  #onChange;
  #tiles = new Map(); // id → {element, video, avatar, name, track, unseen, inView, epoch}
  #observer;
  #size = { width: 0, height: 0 };

  /** onChange() is called when other pictures, or other sizes of them, are needed. */
  constructor(stage, onChange) {
    this.#stage = stage;
    this.#onChange = onChange;
    new ResizeObserver(() => this.#arrange()).observe(stage);
    this.#observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const tile = this.#tiles.get(entry.target.dataset.member);
        if (tile !== undefined) tile.inView = entry.isIntersecting;
      }
      this.#onChange();
    }, { root: stage, rootMargin: "50%" });
  }

  /** members: MEMBERs in the order of their tiles; `self` marks the own one, `speaker` is an id or null. */
  update(members, self, speaker) {
    const here = new Set(members.map((member) => member.id));
    for (const [id, tile] of this.#tiles) {
      if (here.has(id)) continue;
      this.#observer.unobserve(tile.element);
      tile.video.srcObject = null;
      tile.element.remove();
      this.#tiles.delete(id);
    }
    for (const member of members) {
      const tile = this.#tiles.get(member.id) ?? this.#make(member.id, member.id === self);
      this.#paint(tile, member, member.id === self, member.id === speaker);
    }
    this.#arrange();
  }

  /** Shows this track in that member's tile, or its initials for null. */
  show(id, track) {
    const tile = this.#tiles.get(id);
    if (tile === undefined || tile.track === track) return;
    tile.track = track;
    tile.video.srcObject = track === null ? null : new MediaStream([track]);
    this.#awaitPicture(tile);
  }

  /** Map of id → {width, height}: the pictures that somebody looks at. */
  needs() {
    const size = wantedSize(this.#size.height, window.devicePixelRatio);
    const wanted = new Map();
    for (const [id, tile] of this.#tiles) {
      if (!tile.element.classList.contains("self") && tile.inView) wanted.set(id, size);
    }
    return wanted;
  }

  clear() {
    this.update([], null, null);
  }

  #make(id, self) {
    const element = document.createElement("li");
    element.className = self ? "tile self" : "tile";
    element.dataset.member = id;
    const avatar = document.createElement("div");
    avatar.className = "avatar";
    avatar.setAttribute("aria-hidden", "true");
    const video = document.createElement("video");
    // The room's sound has its own element: pictures never make a noise, so the browser lets them play at once.
    video.muted = true;
    video.autoplay = true;
    video.playsInline = true;
    video.setAttribute("aria-hidden", "true");
    const label = document.createElement("div");
    label.className = "label";
    const name = document.createElement("span");
    name.className = "name";
    label.append(icon("mic-off"), name);
    element.append(avatar, video, label);
    this.#stage.append(element);
    const tile = { element, video, avatar, name, track: null, unseen: true, inView: true, epoch: 0 };
    this.#tiles.set(id, tile);
    this.#observer.observe(element);
    return tile;
  }

  #paint(tile, member, self, speaking) {
    const called = member.name || "Guest";
    tile.avatar.textContent = initials(called);
    tile.element.style.setProperty("--hue", String(hue(called)));
    tile.name.textContent = self ? `${called} (you)` : called;
    tile.element.classList.toggle("silent", isSilent(member));
    tile.element.classList.toggle("speaking", speaking && !isSilent(member));
    const unseen = isUnseen(member);
    if (unseen !== tile.unseen) {
      tile.unseen = unseen;
      this.#awaitPicture(tile);
    }
    const states = [isSilent(member) && "microphone off", unseen && "camera off"].filter(Boolean);
    tile.element.setAttribute("aria-label", [tile.name.textContent, ...states].join(", "));
  }

  /** The initials stay until a new picture is there, so that no old one shines through. */
  #awaitPicture(tile) {
    tile.element.classList.remove("pictured");
    tile.epoch += 1;
    const { epoch } = tile;
    if (tile.unseen || tile.track === null) return;
    const arrived = () => {
      if (tile.epoch === epoch) tile.element.classList.add("pictured");
    };
    if ("requestVideoFrameCallback" in tile.video) tile.video.requestVideoFrameCallback(arrived);
    else tile.video.addEventListener("timeupdate", arrived, { once: true });
    tile.video.play().catch(() => {}); // interrupted by the next track; that one plays itself
  }

  #arrange() {
    const style = getComputedStyle(this.#stage);
    const width = this.#stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = this.#stage.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    if (width <= 0 || height <= 0) return;
    const size = layout(this.#tiles.size, width, height);
    this.#stage.style.setProperty("--tile-width", `${size.width}px`);
    this.#stage.style.setProperty("--tile-height", `${size.height}px`);
    this.#stage.classList.toggle("scrolls", size.scrolls);
    this.#stage.classList.toggle("small", size.height < SMALL_HEIGHT);
    this.#size = size;
    this.#onChange();
  }
}

/** An icon of the sheet in meet.html. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `icon ${name}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}
