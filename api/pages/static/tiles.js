// The stage: one 16:9 tile per member, as large as fits, in the order of arrival. Who speaks gets a border, not another place:
// faces that change places are hard to follow. A screen that somebody shows is the exception: it stands above all others, whole.
//
// `layout` and `spread` are pure and are tested by themselves. `Tiles` owns the elements; members are the truth, elements follow.

import { element, icon } from "./page.js";
import { called, hue, initials, isSharing, isSilent, isUnseen, states } from "./roster.js";

const GAP = 12;
const LEAST_WIDTH = 156; // below this a face is no face: then the stage scrolls instead
const LEAST_HEIGHT = (LEAST_WIDTH * 9) / 16;
const SMALL_HEIGHT = 130; // here name and initials need to make way for each other
// Sizes asked of the server come from a short list, so that dragging a window's edge does not renegotiate at each pixel.
const HEIGHTS = [90, 180, 270, 360, 540, 720, 1080];
const REACTION_MS = 4000;
const REACTIONS = 3; // at a time on one tile
const REACTION_CHARS = 64; // what the contract allows; whoever sends more is cut

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

/**
 * Shared screens above, the full width of the stage, and the faces in what is left below them: {screen, tile}, two layouts, or
 * null for the screens if there are none. If the faces scroll, half a second row shows that there is more of them.
 */
export function spread(screens, faces, width, height, gap = GAP) {
  if (screens === 0) return { screen: null, tile: layout(faces, width, height, gap) };
  const fit = Math.floor((width + gap) / (LEAST_WIDTH + gap));
  const strip = faces === 0 ? 0 : Math.min(height / 2, LEAST_HEIGHT * (faces > fit ? 1.6 : 1) + gap);
  const box = layout(screens, width, height - strip, gap, 0);
  const screen = { ...box, width: Math.floor((width - gap * (box.columns - 1)) / box.columns) };
  const left = height - screen.rows * (screen.height + gap);
  return { screen, tile: layout(faces, width, left, gap) };
}

/** The size to ask of the server for a tile of this height on this screen. */
export function wantedSize(tileHeight, pixelRatio = 1) {
  const pixels = tileHeight * Math.min(pixelRatio, 2);
  const height = HEIGHTS.find((one) => one >= pixels * 0.9) ?? HEIGHTS[HEIGHTS.length - 1];
  return { width: (height * 16) / 9, height };
}

/** 0 to 1 of a meter for a level of the contract, 0 (silence) to 127: a quiet room is at about 65. */
export function loudness(level) {
  return Math.min(1, Math.max(0, (level - 65) / 50));
}

export class Tiles {
  #stage;
  #onChange;
  #tiles = new Map(); // id → {element, video, avatar, name, meter, reactions, track, unseen, large, inView, epoch}
  #observer;
  #heights = { tile: 0, screen: 0 };

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

  /** How loud a member is, as `member_audio_level` says. Five times a second for each: it touches nothing but a meter. */
  level(id, level) {
    this.#tiles.get(id)?.meter.style.setProperty("--level", loudness(level).toFixed(2));
  }

  /** A reaction over the tile for a few seconds. */
  react(id, text) {
    const tile = this.#tiles.get(id);
    if (tile === undefined) return;
    const bubble = element("span", "reaction", [...text].slice(0, REACTION_CHARS).join(""));
    tile.reactions.append(bubble);
    while (tile.reactions.childElementCount > REACTIONS) tile.reactions.firstElementChild.remove();
    setTimeout(() => bubble.remove(), REACTION_MS);
  }

  /** Map of id → {width, height}: the pictures that somebody looks at. */
  needs() {
    const face = wantedSize(this.#heights.tile, window.devicePixelRatio);
    const screen = wantedSize(this.#heights.screen, window.devicePixelRatio);
    const wanted = new Map();
    for (const [id, tile] of this.#tiles) {
      if (!tile.element.classList.contains("self") && tile.inView) wanted.set(id, tile.large ? screen : face);
    }
    return wanted;
  }

  clear() {
    this.update([], null, null);
  }

  #make(id, self) {
    const box = element("li", self ? "tile self" : "tile");
    box.dataset.member = id;
    const avatar = element("div", "avatar");
    avatar.setAttribute("aria-hidden", "true");
    const video = document.createElement("video");
    // The room's sound has its own element: pictures never make a noise, so the browser lets them play at once.
    video.muted = true;
    video.autoplay = true;
    video.playsInline = true;
    video.setAttribute("aria-hidden", "true");
    const palm = element("div", "palm");
    palm.append(icon("hand"));
    const reactions = element("div", "reactions");
    reactions.setAttribute("aria-hidden", "true"); // they are announced once, beside
    const label = element("div", "label");
    const meter = element("span", "meter");
    const name = element("span", "name");
    label.append(icon("mic-off"), meter, name);
    box.append(avatar, video, palm, reactions, label);
    this.#stage.append(box);
    const tile = { element: box, video, avatar, name, meter, reactions };
    Object.assign(tile, { track: null, unseen: true, large: false, inView: true, epoch: 0 });
    this.#tiles.set(id, tile);
    this.#observer.observe(box);
    return tile;
  }

  #paint(tile, member, self, speaking) {
    const { classList } = tile.element;
    const shown = called(member);
    tile.avatar.textContent = initials(shown);
    tile.element.style.setProperty("--hue", String(hue(shown)));
    tile.name.textContent = self ? `${shown} (you)` : shown;
    classList.toggle("silent", isSilent(member));
    classList.toggle("speaking", speaking && !isSilent(member));
    classList.toggle("raised", Boolean(member.hand_raised));
    classList.toggle("screen", isSharing(member));
    tile.large = isSharing(member) && !self; // one's own screen within itself would be a hall of mirrors
    classList.toggle("large", tile.large);
    const unseen = isUnseen(member);
    if (unseen !== tile.unseen) {
      tile.unseen = unseen;
      this.#awaitPicture(tile);
    }
    tile.element.setAttribute("aria-label", [tile.name.textContent, ...states(member)].join(", "));
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
    const screens = [...this.#tiles.values()].filter((tile) => tile.large).length;
    const { screen, tile } = spread(screens, this.#tiles.size - screens, width, height);
    for (const [name, size] of [["tile", tile], ["screen", screen]]) {
      this.#stage.style.setProperty(`--${name}-width`, `${size?.width ?? 0}px`);
      this.#stage.style.setProperty(`--${name}-height`, `${size?.height ?? 0}px`);
      this.#heights[name] = size?.height ?? 0;
    }
    this.#stage.classList.toggle("scrolls", tile.scrolls);
    this.#stage.classList.toggle("pinned", tile.scrolls && screen?.rows === 1);
    this.#stage.classList.toggle("small", tile.height < SMALL_HEIGHT);
    this.#onChange();
  }
}
