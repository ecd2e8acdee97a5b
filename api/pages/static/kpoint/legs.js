// A KPOINT client has a connection for each direction of each feed, and each is called a leg: "cam" or "screen", which we "send"
// or "receive". `user` is whom it goes to or comes from; what goes to the server, for a whole room, is under our own id.
//
// Invariant: there is one leg at most of a user, type and direction; a new one takes the place of the old.

export class Legs {
  #iceServers;
  #handlers;
  #legs = new Map(); // key → {user, type, direction, pc, stream}

  /** handlers: {onMedia(user, type, stream | null): what is received, onFailed(user, type, direction)} */
  constructor(iceServers, handlers) {
    this.#iceServers = iceServers;
    this.#handlers = handlers;
  }

  find(user, type, direction) {
    return this.#legs.get(key(user, type, direction));
  }

  /** A leg that sends these tracks. */
  send(user, type, tracks) {
    const leg = this.#open(user, type, "send");
    for (const track of tracks) leg.pc.addTransceiver(track, { direction: "sendonly", streams: [leg.stream] });
    return leg;
  }

  /** A leg that receives whatever the other side's offer says. */
  receive(user, type) {
    const leg = this.#open(user, type, "receive");
    leg.pc.addEventListener("track", ({ track }) => {
      leg.stream.addTrack(track);
      this.#handlers.onMedia(user, type, leg.stream);
    });
    return leg;
  }

  /** Closes those that fit: {user, type, direction}, each optional. */
  close({ user, type, direction } = {}) {
    for (const leg of [...this.#legs.values()]) {
      if ((user ?? leg.user) === leg.user && (type ?? leg.type) === leg.type && (direction ?? leg.direction) === leg.direction) this.#close(leg);
    }
  }

  /** What the browser counted: [{user, type, direction, connection, remote, audio, video}], the last two as in W3C webrtc-stats. */
  async stats() {
    return Promise.all([...this.#legs.values()].map(async ({ user, type, direction, pc }) => {
      const out = { user, type, direction, connection: pc.connectionState };
      for (const report of (await pc.getStats()).values()) {
        if (report.type !== "inbound-rtp" && report.type !== "outbound-rtp") continue;
        const { packetsSent, packetsReceived, framesEncoded, framesDecoded, frameWidth, frameHeight } = report;
        out[report.kind] = { packets: packetsSent ?? packetsReceived, frames: framesEncoded ?? framesDecoded, width: frameWidth, height: frameHeight };
      }
      return out;
    }));
  }

  #open(user, type, direction) {
    this.close({ user, type, direction });
    const pc = new RTCPeerConnection({ iceServers: this.#iceServers, bundlePolicy: "max-bundle" });
    const leg = { user, type, direction, pc, stream: new MediaStream() };
    pc.addEventListener("connectionstatechange", () => {
      if (pc.connectionState === "failed") this.#handlers.onFailed(user, type, direction);
    });
    this.#legs.set(key(user, type, direction), leg);
    return leg;
  }

  #close(leg) {
    this.#legs.delete(key(leg.user, leg.type, leg.direction));
    leg.pc.close();
    if (leg.direction === "receive") this.#handlers.onMedia(leg.user, leg.type, null);
  }
}

/** Whether it has been closed, perhaps while something was awaited. */
export const isClosed = (leg) => leg.pc.signalingState === "closed";

const key = (user, type, direction) => JSON.stringify([user, type, direction]);
