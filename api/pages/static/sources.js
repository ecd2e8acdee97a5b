// What we send: a microphone, and one picture, which is the camera's or, while it is shared, the screen's.
//
// Whether microphone and camera are on is what the person wants; a track is what the browser has given for it. What cannot be
// had is switched off, and the sentence says why. Invariant: a track that is not kept here is stopped, so that no lamp stays on.

import { capture } from "./devices.js";
import { captureScreen } from "./share.js";

const KINDS = ["audio", "video"];
const WORDS = { audio: "microphone", video: "camera" };

export class Sources {
  #on;
  #handlers;
  #tracks = { audio: null, video: null };
  #screen = null;
  #asking = false;

  /**
   * on: {audio, video}, what to begin with. handlers: {onChange(), onSend(kind): what is sent of it is another track now,
   * returns a promise; onShare(sharing), onTrouble(text)}
   */
  constructor(on, handlers) {
    this.#on = { ...on };
    this.#handlers = handlers;
  }

  isOn(kind) {
    return this.#on[kind];
  }

  get sharing() {
    return this.#screen !== null;
  }

  /** The picture that we send, and so see of ourselves. */
  get picture() {
    return this.#screen ?? this.#tracks.video;
  }

  /** The track that goes to the others, or null. */
  sent(kind) {
    if (kind === "video") return this.picture;
    return this.#on.audio ? this.#tracks.audio : null;
  }

  /** Whether there is no device at all: then one only looks and listens. */
  get none() {
    return this.#tracks.audio === null && this.picture === null;
  }

  /** The flags that others know us by. */
  get muted() {
    return { audio_muted: this.sent("audio") === null, video_muted: this.sent("video") === null };
  }

  /** Opens what is switched on and not open yet. */
  async open(kinds = KINDS) {
    const missing = kinds.filter((kind) => this.#on[kind] && this.#tracks[kind] === null);
    if (missing.length === 0) return;
    const got = await capture(missing);
    for (const kind of missing) {
      const track = got[kind];
      if (track !== null && (!this.#on[kind] || this.#tracks[kind] !== null)) {
        track.stop(); // switched off again, or asked for twice, while the browser was asking
        continue;
      }
      this.#tracks[kind] ??= track;
      if (track === null) this.#on[kind] = this.#tracks[kind] !== null;
      else track.addEventListener("ended", () => this.#unplugged(kind, track));
    }
    if (got.trouble !== "") this.#handlers.onTrouble(got.trouble);
    this.#handlers.onChange();
  }

  async toggle(kind) {
    this.#on[kind] = !this.#on[kind];
    this.#handlers.onChange();
    if (this.#on[kind]) {
      await this.open([kind]);
      if (this.#tracks[kind] === null) return; // it could not be had, or is no longer wanted
      if (kind === "audio") this.#tracks.audio.enabled = this.#on.audio;
    } else if (kind === "audio") {
      if (this.#tracks.audio !== null) this.#tracks.audio.enabled = false;
    } else {
      this.#tracks.video?.stop(); // so that the camera's lamp goes out
      this.#tracks.video = null;
    }
    // Behind a shared screen the camera waits: nothing changes for the others.
    if (kind === "audio" || !this.sharing) await this.#handlers.onSend(kind);
    this.#handlers.onChange();
  }

  /** Asks which screen, and sends it instead of the camera. */
  async share() {
    if (this.#screen !== null || this.#asking) return;
    this.#asking = true;
    const { track, trouble } = await captureScreen();
    this.#asking = false;
    if (trouble !== "") this.#handlers.onTrouble(trouble);
    if (track === null) return;
    this.#screen = track;
    // The browser has a button of its own to stop, and what is shown may be closed.
    track.addEventListener("ended", () => {
      if (this.#screen === track) this.unshare();
    });
    await this.#swap(true);
  }

  /** Back to the camera, if it is on. */
  async unshare() {
    if (this.#screen === null) return;
    this.#screen.stop();
    this.#screen = null;
    await this.#swap(false);
  }

  async #swap(sharing) {
    this.#handlers.onChange();
    await this.#handlers.onSend("video");
    this.#handlers.onShare(sharing);
    this.#handlers.onChange();
  }

  /** Lets go of all of it; what is switched on stays so for the next time. */
  close() {
    for (const kind of KINDS) {
      this.#tracks[kind]?.stop();
      this.#tracks[kind] = null;
    }
    this.#screen?.stop();
    this.#screen = null;
  }

  #unplugged(kind, track) {
    if (this.#tracks[kind] !== track) return;
    this.#tracks[kind] = null;
    this.#handlers.onTrouble(`Your ${WORDS[kind]} is gone. Plug it in and turn it on again.`);
    if (this.#on[kind]) this.toggle(kind);
  }
}
