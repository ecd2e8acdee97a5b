// A call in a P2P room (contract kpoint, sections 6.1 and 6.5): media go from browser to browser, and the server passes the
// descriptions and candidates on.
//
//   A: sdp {sdp: offer, type, target: B} ─►  B: "sdp" {user: A, sdp: offer, type}
//   A: "sdp" {user: B, sdp: answer, type} ◄─  B: sdp {sdp: answer, type, target: A}
//   both: candidate {target, candidate, type, cam}, as they are found
//
// Each direction is a connection of its own, so both may offer at the same time and never collide. A pair of clients can
// have up to four connections, and a candidate has to say which of them it is for: `cam` is true for the camera and
// false for the screen, and `type`, which the server does not look at, names the sender's own leg, "send" or "receive".
// What is "send" for one is "receive" for the other.
//
// A room of more than two is a mesh: everybody sends to everybody.

import { Legs, isClosed } from "./legs.js";

const OTHER_END = { send: "receive", receive: "send" };

export class P2PCall {
  #client;
  #legs;
  #handlers;
  #others;
  #published = new Map(); // type → tracks
  #over = new AbortController();

  /** client: a registered KpointClient; joined: the response of `joinRoom`; handlers: those of Legs, and onTrouble(error). */
  constructor(client, joined, handlers) {
    this.#client = client;
    this.#handlers = handlers;
    this.#legs = new Legs(client.iceServers, handlers);
    this.#others = new Set(Object.keys(joined.members).filter((id) => id !== client.userId));
    this.#hear("join", ({ user }) => this.#arrived(user.id));
    this.#hear("leave", ({ user }) => this.#left(user));
    this.#hear("shareStop", ({ user }) => this.#legs.close({ user, type: "screen", direction: "receive" }));
    this.#hear("sdp", (message) => this.#described(message));
    this.#hear("candidate", (message) => this.#found(message));
  }

  /** Sends these tracks as "cam" or "screen" to everybody, and to whoever comes later. */
  async publish(type, tracks) {
    this.#published.set(type, tracks);
    await Promise.all([...this.#others].map((user) => this.#offer(user, type)));
  }

  unpublish(type) {
    this.#published.delete(type);
    this.#legs.close({ type, direction: "send" });
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

  #arrived(user) {
    this.#others.add(user);
    for (const type of this.#published.keys()) this.#offer(user, type);
  }

  #left(user) {
    this.#others.delete(user);
    this.#legs.close({ user });
  }

  async #offer(user, type) {
    const leg = this.#legs.send(user, type, this.#published.get(type));
    await this.#settle(leg, async () => {
      await leg.pc.setLocalDescription();
      await this.#describe(leg);
    });
  }

  async #described({ user, type, sdp }) {
    if (sdp.type === "offer") {
      const leg = this.#legs.receive(user, type);
      await this.#settle(leg, async () => {
        await leg.pc.setRemoteDescription(sdp);
        await leg.pc.setLocalDescription();
        await this.#describe(leg);
      });
    } else {
      const leg = this.#legs.find(user, type, "send");
      if (leg !== undefined) await this.#settle(leg, () => leg.pc.setRemoteDescription(sdp));
    }
  }

  /** Sends our description, and then each candidate that the browser finds: none may overtake it. */
  async #describe(leg) {
    const { user, type, direction, pc } = leg;
    const told = this.#client.request("sdp", { type, target: user, sdp: pc.localDescription });
    pc.addEventListener("icecandidate", ({ candidate }) => {
      if (!candidate?.candidate) return; // the end of them: the other side needs no word of that
      this.#settle(leg, async () => {
        await told;
        const found = { target: user, candidate, type: direction, cam: type === "cam" };
        if (!isClosed(leg)) await this.#client.request("candidate", found);
      });
    });
    await told;
  }

  /** A candidate of the other side. The browser itself lets it wait for a description that it is still taking in. */
  #found({ user, candidate, type, cam }) {
    const leg = this.#legs.find(user, cam ? "cam" : "screen", OTHER_END[type]);
    if (leg !== undefined) this.#settle(leg, () => leg.pc.addIceCandidate(candidate));
  }

  /** What fails because the other has gone meanwhile is no trouble; `leave` closes its legs, and may come after the refusal. */
  async #settle(leg, act) {
    try {
      await act();
    } catch (error) {
      if (!isClosed(leg) && error.code !== "410") this.#handlers.onTrouble(error);
    }
  }
}
