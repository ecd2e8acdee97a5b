// A call in a group room (contract kpoint, sections 6.2 to 6.5): everybody sends to the server once, and it sends each
// feed to whoever subscribes to it.
//
//   publish    sdpRoom {sdp: offer, type} ─► 200 {sdp: answer};  the others hear "publish" {feeds: [{id, type}]}
//   subscribe  subscribe {type, target, video, audio} ─► 200 {sdp: offer};  sdpRoom {sdp: answer, type, target} ─► 200
//
// The server's address is in its descriptions, and it answers wherever checks come from, so a client need not send candidates.
// (One that can only get out by a relay of its own may: `candidate` with `target`, its own id for what it publishes.)

import { Legs, isClosed } from "./legs.js";

const GONE = ["410", "451"]; // the member left, or sends that feed no more, while we asked for it

export class GroupCall {
  #client;
  #roomId;
  #legs;
  #handlers;
  #over = new AbortController();

  /**
   * As P2PCall's. It has to be made at once when `joinRoom` is answered: the feeds that there are already come as the very
   * next message.
   */
  constructor(client, joined, handlers) {
    this.#client = client;
    this.#roomId = joined.roomId;
    this.#handlers = handlers;
    this.#legs = new Legs(client.iceServers, handlers);
    this.#hear("publish", ({ feeds }) => feeds.forEach((feed) => this.#subscribe(feed.id, feed.type)));
    this.#hear("leave", ({ user }) => this.#legs.close({ user }));
    this.#hear("shareStop", ({ user }) => this.#legs.close({ user, type: "screen" }));
  }

  /** Sends these tracks to the room as "cam" or, while one holds the share, as "screen". */
  async publish(type, tracks) {
    const leg = this.#legs.send(this.#client.userId, type, tracks);
    await this.#settle(leg, async () => {
      await leg.pc.setLocalDescription();
      const { sdp } = await this.#ask("sdpRoom", { type, sdp: leg.pc.localDescription });
      await leg.pc.setRemoteDescription(sdp);
    });
  }

  /** The server is told by `shareStop`. */
  unpublish(type) {
    this.#legs.close({ user: this.#client.userId, type });
  }

  close() {
    this.#over.abort();
    this.#legs.close();
  }

  stats() {
    return this.#legs.stats();
  }

  #hear(type, act) {
    this.#client.addEventListener(type, ({ detail }) => act(detail), { signal: this.#over.signal });
  }

  #ask(eventOp, fields) {
    return this.#client.request(eventOp, { roomId: this.#roomId, ...fields });
  }

  async #subscribe(target, type) {
    let offer;
    try {
      offer = await this.#ask("subscribe", { type, target, video: true, audio: type === "cam" });
    } catch (error) {
      if (!this.#over.signal.aborted && !GONE.includes(error.code)) this.#handlers.onTrouble(error);
      return;
    }
    if (this.#over.signal.aborted) return;
    const leg = this.#legs.receive(target, type);
    await this.#settle(leg, async () => {
      await leg.pc.setRemoteDescription(offer.sdp);
      await leg.pc.setLocalDescription();
      await this.#ask("sdpRoom", { type, target, sdp: leg.pc.localDescription });
    });
  }

  /** What fails on a leg that has been closed meanwhile is no trouble. */
  async #settle(leg, act) {
    try {
      await act();
    } catch (error) {
      if (!isClosed(leg)) this.#handlers.onTrouble(error);
    }
  }
}
