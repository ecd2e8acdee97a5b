// One stay in a room, as media: a single RTCPeerConnection whose every description goes through the Room API.
//
// RFC 9429 offers; the server answers in the reply and there are no candidate messages. The join offer has the two sections
// on which we send: audio (the room's sound comes down it too) and video. Other members' pictures come down `recvonly`
// video sections appended by `subscribe_room` on the same connection; a section that nobody needs any more becomes
// `inactive` and serves the next member, since sections can never be taken out of a description.
//
// Invariants: one negotiation runs at a time; a refused one is rolled back and leaves the earlier state working; the
// wanted set is always sent whole, so however many changes come meanwhile, one more round settles them.
//
// Without any device we join as audience: audio `recvonly`, video `inactive`; a device that appears later changes the
// direction and is offered with the next round.

import { Offline, RoomError } from "./signal.js";

const VIDEO_MAX_BPS = 1_500_000;
const SCREEN_MAX_BPS = 2_500_000;
const RESTART_AFTER_MS = 3000; // `disconnected` may heal by itself; after so long we ask for new ICE credentials
const RETRY_MS = 2000;

export class Call {
  #signal;
  #token;
  #handlers;
  #pc;
  #senders; // kind → transceiver of the join sections
  #slots = []; // {transceiver, member: id | null}
  #wanted = new Map(); // id → {width, height}
  #dirty = false;
  #busy = null; // the running round, as a promise
  #ready = false;
  #closed = false;
  #wasConnected = false;
  #timer = 0;
  #retry = 0;

  /**
   * tracks: {audio, video}, each a MediaStreamTrack or null, audience: true if there is no device at all, and screen: true if
   * the picture is that of a screen; handlers: {onVideo(memberId, track | null), onSound(track), onConnected(), onFailed(wasConnected)}
   */
  constructor(signal, token, tracks, handlers) {
    this.#signal = signal;
    this.#token = token;
    this.#handlers = handlers;
    this.#pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.#pc.addEventListener("connectionstatechange", () => this.#watch());
    const { audience, screen } = tracks;
    // Whoever may send later offers to send now, even without a track: then replaceTrack() suffices.
    this.#senders = {
      audio: this.#pc.addTransceiver(tracks.audio || "audio", { direction: audience ? "recvonly" : "sendrecv" }),
      video: this.#pc.addTransceiver(tracks.video || "video", {
        direction: audience ? "inactive" : "sendonly",
        sendEncodings: [{ maxBitrate: screen ? SCREEN_MAX_BPS : VIDEO_MAX_BPS }],
      }),
    };
  }

  get token() {
    return this.#token;
  }

  get connected() {
    return this.#pc.connectionState === "connected";
  }

  /** Enters the room; flags: {audio_muted, video_muted}. Returns the reply of `join_room`. */
  async join(flags) {
    await this.#pc.setLocalDescription(await this.#pc.createOffer());
    const reply = await this.#signal.request("join_room", {
      auth_token: this.#token,
      sdp: this.#pc.localDescription.sdp,
      ...flags,
    });
    if (this.#closed) throw new Offline();
    await this.#pc.setRemoteDescription({ type: "answer", sdp: reply.sdp });
    this.#handlers.onSound(this.#senders.audio.receiver.track);
    this.#ready = true;
    if (this.#dirty) this.#pump();
    return reply;
  }

  /** Says whose pictures are wanted, and how large: Map of id → {width, height}. Replaces what was wanted before. */
  want(wanted) {
    const same =
      wanted.size === this.#wanted.size &&
      [...wanted].every(([id, size]) => {
        const before = this.#wanted.get(id);
        return before !== undefined && before.width === size.width && before.height === size.height;
      });
    if (same) return;
    this.#wanted = new Map(wanted);
    this.#renegotiate();
  }

  /** A member began to send: if its section was answered `inactive` before, ask again. */
  ask(id) {
    const slot = this.#slots.find((one) => one.member === id);
    if (slot !== undefined && slot.transceiver.currentDirection !== "recvonly") this.#renegotiate();
  }

  /** Sends this track, or nothing, on the section of its kind; screen: it shows one. */
  async send(kind, track, screen = false) {
    const transceiver = this.#senders[kind];
    await transceiver.sender.replaceTrack(track);
    if (kind === "video") await this.#limit(transceiver.sender, screen ? SCREEN_MAX_BPS : VIDEO_MAX_BPS);
    const direction = kind === "audio" ? "sendrecv" : "sendonly";
    if (track !== null && transceiver.direction !== direction) {
      transceiver.direction = direction;
      await this.#renegotiate();
    }
  }

  async #limit(sender, bps) {
    const parameters = sender.getParameters();
    if (parameters.encodings.every(({ maxBitrate }) => maxBitrate === bps)) return;
    for (const encoding of parameters.encodings) encoding.maxBitrate = bps;
    // A limit is a favour to the network; a browser that takes none at this moment may do without.
    await sender.setParameters(parameters).catch(() => {});
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#pc.close();
  }

  /** What the browser counted: {connection, sound, sent, video: {memberId: {...}}}. */
  async stats() {
    const out = { connection: this.#pc.connectionState, sound: null, sent: {}, video: {} };
    const owners = new Map(this.#slots.map((slot) => [slot.transceiver.mid, slot.member]));
    for (const report of (await this.#pc.getStats()).values()) {
      if (report.type === "outbound-rtp") {
        out.sent[report.kind] = { packets: report.packetsSent, bytes: report.bytesSent, frames: report.framesEncoded };
      } else if (report.type === "inbound-rtp" && report.kind === "audio") {
        out.sound = { packets: report.packetsReceived, lost: report.packetsLost, energy: report.totalAudioEnergy };
      } else if (report.type === "inbound-rtp") {
        const owner = owners.get(report.mid);
        if (owner) {
          out.video[owner] = {
            framesDecoded: report.framesDecoded,
            packets: report.packetsReceived,
            lost: report.packetsLost,
            width: report.frameWidth,
            height: report.frameHeight,
          };
        }
      }
    }
    return out;
  }

  #renegotiate() {
    this.#dirty = true;
    return this.#ready ? this.#pump() : Promise.resolve();
  }

  #pump() {
    this.#busy ??= this.#rounds().finally(() => {
      this.#busy = null;
    });
    return this.#busy;
  }

  async #rounds() {
    while (this.#dirty && !this.#closed) {
      this.#dirty = false;
      try {
        await this.#round();
      } catch (error) {
        if (this.#closed || error instanceof Offline) return; // the next stay begins with its own connection
        console.warn("atrium: a renegotiation failed:", error);
        if (this.#pc.signalingState === "have-local-offer") await this.#pc.setLocalDescription({ type: "rollback" });
        // 401, 404: this stay is over and the room says so by itself; anything else is worth another try, later.
        if (error instanceof RoomError && (error.code === 401 || error.code === 404)) return;
        this.#retry = setTimeout(() => this.#renegotiate(), RETRY_MS);
        return;
      }
    }
  }

  async #round() {
    this.#assign();
    await this.#pc.setLocalDescription(await this.#pc.createOffer());
    const members = this.#slots
      .filter((slot) => slot.member !== null)
      .map((slot) => ({ id: slot.member, video_mid: slot.transceiver.mid, ...this.#wanted.get(slot.member) }));
    const reply = await this.#signal.request("subscribe_room", {
      auth_token: this.#token,
      sdp: this.#pc.localDescription.sdp,
      members,
    });
    if (this.#closed) return;
    await this.#pc.setRemoteDescription({ type: "answer", sdp: reply.sdp });
    for (const { member, transceiver } of this.#slots) {
      if (member === null) continue;
      const flows = transceiver.currentDirection === "recvonly";
      this.#handlers.onVideo(member, flows ? transceiver.receiver.track : null);
    }
  }

  /** Gives every wanted member a section: its own, else a freed one, else a new one. */
  #assign() {
    for (const slot of this.#slots) {
      if (slot.member === null || this.#wanted.has(slot.member)) continue;
      this.#handlers.onVideo(slot.member, null);
      slot.member = null;
      slot.transceiver.direction = "inactive";
    }
    const placed = new Set(this.#slots.map((slot) => slot.member));
    for (const id of this.#wanted.keys()) {
      if (placed.has(id)) continue;
      let slot = this.#slots.find((one) => one.member === null);
      if (slot === undefined) {
        slot = { transceiver: this.#pc.addTransceiver("video", { direction: "recvonly" }), member: null };
        this.#slots.push(slot);
      }
      slot.transceiver.direction = "recvonly";
      slot.member = id;
    }
  }

  #watch() {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    if (this.#pc.connectionState === "connected") {
      this.#wasConnected = true;
      this.#handlers.onConnected();
    } else if (this.#pc.connectionState === "failed") {
      this.#handlers.onFailed(this.#wasConnected);
    } else if (this.#pc.connectionState === "disconnected") {
      this.#timer = setTimeout(() => {
        this.#pc.restartIce();
        this.#renegotiate();
      }, RESTART_AFTER_MS);
    }
  }
}
