// One person's stay in a room: the line to the server, the proof of who one is, the connection, and the ways back to them.
//
//   lobby → joining → joined ⇄ reconnecting
//              ⇅          └──→ left           (by oneself, by an administrator, the room ended, another tab)
//           waiting → rejected                (both lead back to joining; cancelling leads to the lobby)
//
// Coming back: a new socket is a stranger, so each one that opens "arrives": with the token it has by `join_room`, which the
// server takes for the same member within its grace, and without a good token by `authenticate` first. The old
// connection plays on until the new one is answered, so a lost socket alone is neither heard nor seen. Only an administrator
// or the person ends a stay: when the server lets a member go because its media were lost, it joins again by itself. Who waits
// loses its place with its socket, and asks again on the next one.
//
// It knows nothing of the page. Whoever owns it is told each state and why, and puts that into words.

import { Call } from "./call.js";
import { Offline, RoomError, Signal, roomUrl } from "./signal.js";

const BUSY_RETRY_MS = 3000; // the server drains or we asked too often
const CONNECT_PATIENCE_MS = 8000; // media that take longer are probably held back on their way
const REMIND_MS = 10_000; // how often those inside are told that we still wait; the server passes on one in 5 s

export class Stay {
  #room;
  #sources;
  #handlers;
  #state = "lobby";
  #callId = null;
  #token = null;
  #name = "";
  #credentials = {}; // kept in this page only, to come back with
  #signal = null;
  #call = null;
  #arriving = false;
  #again = false; // a socket opened, or media were lost, during an arrival
  #visit = 0; // changes when the person gives up: whatever is still on its way for the last one is of no use
  #unreached = false; // the last connection never came up
  #patience = 0;
  #retry = 0;
  #reminder = 0;

  /**
   * sources: a Sources. handlers:
   *   onState(state, why, detail): also called while the state stays, with another reason
   *   onMedia("connecting" | "unreached" | "connected")
   *   onJoined(reply of join_room), each time, just before the state says so; onDropped(): there is no connection any more, just after
   *   onNotification(method, params): all that is about the room; about this stay, after it has been acted upon
   *   onVideo(memberId, track | null), onSound(track)
   */
  constructor(room, sources, handlers) {
    this.#room = room;
    this.#sources = sources;
    this.#handlers = handlers;
  }

  get state() {
    return this.#state;
  }

  get callId() {
    return this.#callId;
  }

  /** In the room, as far as the others can tell. */
  get inside() {
    return this.#state === "joined" || this.#state === "reconnecting";
  }

  /**
   * From the lobby, or once more after a rejection. credentials: {username, password, room_password}, each optional, or
   * {access_token, origin}, with which nobody waits to be let in: a refusal is for good. origin: of the page around this one.
   */
  enter(name, credentials) {
    if (this.#state !== "lobby" && this.#state !== "rejected") return;
    this.#name = name;
    this.#credentials = credentials;
    this.#callId ??= freshId();
    this.#become("joining");
    if (this.#signal === null) {
      this.#signal = new Signal(roomUrl(), {
        onOpen: () => this.#arrive(),
        onNotification: (method, params) => this.#hear(method, params),
        onDown: (_seconds, reason) => this.#down(reason),
      });
      this.#signal.open();
    } else if (this.#signal.isOpen) {
      this.#arrive();
    }
  }

  /** Waits no longer, be it to be let in or to have joined, or wants no second try. */
  cancel() {
    if (!["joining", "waiting", "rejected"].includes(this.#state)) return;
    this.notify("leave_room"); // requests are handled in order: whatever is under way is done by then
    this.#visit += 1;
    this.#token = null;
    clearTimeout(this.#retry);
    this.#become("lobby");
  }

  /** Out of the room for good, unless it is entered anew. */
  leave(why = "left") {
    this.notify("leave_room");
    this.#visit += 1;
    this.#signal?.close();
    this.#signal = null;
    clearTimeout(this.#retry);
    this.#token = null;
    this.#callId = null; // a new stay is a new call
    this.#drop("left", why);
  }

  /** From the page after a call back to the one before it. */
  reset() {
    if (this.#state === "left") this.#become("lobby");
  }

  /** The network is back: no reason to wait for the next try. */
  hurry() {
    const asked = this.#state === "waiting" && this.#signal.isOpen; // another socket would lose its place
    if (["joining", "waiting", "reconnecting"].includes(this.#state) && !asked) this.#signal.reopen();
  }

  request(method, params) {
    return this.#signal === null ? Promise.reject(new Offline()) : this.#signal.request(method, params);
  }

  /** A request that an administrator proves itself for by its token. */
  requestByToken(method, params) {
    return this.request(method, { ...params, auth_token: this.#token });
  }

  notify(method, params) {
    return this.#signal?.notify(method, params) ?? false;
  }

  /** Sends what there is of this kind by now, and tells whether there is any. */
  async publish(kind) {
    if (this.#call === null) return;
    const track = this.#sources.sent(kind);
    await this.#call.send(kind, track, kind === "video" && this.#sources.sharing);
    this.notify(track === null ? `mute_${kind}` : `unmute_${kind}`);
  }

  /** Whose pictures are looked at, and how large; see Call. */
  want(wanted) {
    if (this.#state === "joined") this.#call?.want(wanted);
  }

  /** A member began to send a picture. */
  ask(id) {
    this.#call?.ask(id);
  }

  async stats() {
    return this.#call === null ? null : this.#call.stats();
  }

  // ---- in

  #become(state, why = "", detail = "") {
    this.#state = state;
    clearInterval(this.#reminder);
    if (state === "waiting") this.#reminder = setInterval(() => this.notify("still_waiting"), REMIND_MS);
    this.#handlers.onState(state, why, detail);
  }

  /** The socket is up: be in the room with it. */
  async #arrive() {
    if (["left", "lobby", "rejected"].includes(this.#state)) return;
    if (this.#arriving) {
      this.#again = true; // what is under way may belong to an older socket
      return;
    }
    this.#arriving = true;
    clearTimeout(this.#retry);
    const visit = this.#visit;
    try {
      await this.#comeIn();
    } catch (error) {
      if (visit === this.#visit) this.#refused(error);
    } finally {
      this.#arriving = false;
      if (this.#again) {
        this.#again = false;
        this.#arrive();
      }
    }
  }

  /**
   * Joins with the token we hold, else with a new one. If the server does not take this token or call again, or this browser
   * cannot use the answer, it does so once more from the beginning.
   */
  async #comeIn() {
    const visit = this.#visit;
    const held = this.#token !== null;
    this.#token ??= await this.#authenticate();
    try {
      await this.#settle();
      return;
    } catch (error) {
      if (error instanceof Offline || visit !== this.#visit) throw error;
      if (!(error instanceof RoomError)) {
        console.warn("atrium: the answer could not be used:", error);
        this.#forget();
      } else if (error.code === 409) {
        this.#callId = freshId();
      } else if (!held || ![401, 410].includes(error.code)) {
        throw error;
      }
    }
    this.#token = null;
    this.#token = await this.#authenticate();
    await this.#settle();
  }

  async #authenticate() {
    const visit = this.#visit;
    const ask = () =>
      this.request("authenticate", {
        room: this.#room,
        call_id: this.#callId,
        display_name: this.#name,
        ...this.#credentials,
      });
    let reply;
    try {
      reply = await ask();
    } catch (error) {
      if (!(error instanceof RoomError) || error.code !== 409 || visit !== this.#visit) throw error;
      this.#callId = freshId(); // our old self is still held inside, and we cannot prove to be it
      reply = await ask();
    }
    if (visit !== this.#visit) throw new Offline();
    return reply.auth_token;
  }

  /** Gives up the stay that the server believes in, so that it does not hold a member without media. */
  #forget() {
    this.notify("leave_room");
    this.#token = null;
    this.#callId = freshId();
  }

  /** join_room with a new connection, which replaces the old one once it is answered. */
  async #settle() {
    const sources = this.#sources;
    const offered = { audio: sources.sent("audio"), video: sources.sent("video") };
    const line = this.#signal;
    const visit = this.#visit;
    const next = new Call(line, this.#token, { ...offered, audience: sources.none, screen: sources.sharing }, {
      onVideo: this.#handlers.onVideo,
      onSound: this.#handlers.onSound,
      onConnected: () => {
        this.#unreached = false;
        clearTimeout(this.#patience);
        this.#handlers.onMedia("connected");
      },
      onFailed: (wasConnected) => {
        if (next !== this.#call) return;
        this.#unreached = !wasConnected;
        this.#become("reconnecting", this.#unreached ? "unreached" : "interrupted");
        line.reopen();
      },
    });
    let reply;
    try {
      reply = await next.join(sources.muted);
    } catch (error) {
      next.close();
      throw error;
    }
    if (visit !== this.#visit) {
      next.close(); // left, and perhaps joined anew, while the answer was being taken in
      throw new Offline();
    }
    this.#call?.close();
    this.#call = next;
    this.#callId = reply.call_id;
    this.#handlers.onJoined(reply);
    this.#become("joined");
    clearTimeout(this.#patience);
    if (next.connected) {
      this.#handlers.onMedia("connected");
    } else {
      this.#handlers.onMedia(this.#unreached ? "unreached" : "connecting");
      this.#patience = setTimeout(() => {
        if (next !== this.#call || next.connected || this.#state !== "joined") return;
        this.#unreached = true;
        this.#handlers.onMedia("unreached");
      }, CONNECT_PATIENCE_MS);
    }
    // Switched while the reply travelled: say how it is now.
    for (const kind of ["audio", "video"]) {
      if (sources.sent(kind) !== offered[kind]) await this.publish(kind);
    }
  }

  #refused(error) {
    if (error instanceof Offline) return; // the next socket arrives anew
    if (!(error instanceof RoomError)) {
      console.error(error);
      this.#forget();
      this.#drop("lobby", "unusable", error.message);
      return;
    }
    switch (error.code) {
      case 401:
        this.#token = null;
        this.#drop("lobby", "proof", error.message);
        break;
      case 403:
        this.#token = null;
        if (this.#credentials.access_token === undefined) this.#drop("waiting");
        else this.#drop("lobby", error.isLimit ? "full" : "refused", error.message);
        break;
      case 404:
        this.leave("ended");
        break;
      case 429:
      case 503:
        this.#become(this.#state, error.code === 429 ? "slow" : "draining");
        this.#retry = setTimeout(() => this.#arrive(), BUSY_RETRY_MS);
        break;
      case 488:
        this.#drop("lobby", "codecs");
        break;
      default:
        this.#drop("lobby", "refused", `${error.message} (${error.code})`);
    }
  }

  /** To a state without a connection. */
  #drop(state, why, detail) {
    clearTimeout(this.#patience);
    this.#call?.close();
    this.#call = null;
    this.#become(state, why, detail);
    this.#handlers.onDropped();
  }

  // ---- what the server says

  #hear(method, params) {
    switch (method) {
      case "member_allowed":
        if (this.#state !== "waiting") return;
        this.#token = params.auth_token;
        this.#become("joining");
        this.#arrive();
        return;
      case "member_rejected":
        if (this.#state === "waiting") this.#become("rejected");
        return;
      case "media_lost":
        this.#become("reconnecting", "lost");
        this.#arrive();
        return;
      case "member_leave_room":
        if (params.member !== this.#callId) break;
        if (params.by_admin) this.leave("removed");
        else this.#comeBack();
        return;
      default:
        break;
    }
    this.#handlers.onNotification(method, params);
  }

  /** The server let us go because our media were lost, not because anybody wanted it. */
  #comeBack() {
    if (!this.inside) return;
    this.#become("reconnecting", this.#unreached ? "unreached" : "lost");
    this.#arrive();
  }

  #down(reason) {
    if (reason === "elsewhere") {
      // The call belongs to the other socket now: leaving for it would take that one out too.
      this.#signal = null;
      this.leave("elsewhere");
    } else if (this.inside) {
      this.#become("reconnecting", "line");
    } else if (this.#state === "joining" || this.#state === "waiting") {
      this.#become(this.#state, "line");
    }
  }
}

function freshId() {
  // crypto.randomUUID exists only in secure contexts; a page over plain HTTP may still listen.
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
