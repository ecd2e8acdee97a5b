// A KPOINT client's socket (contract kpoint, sections 1, 2 and 7): one JSON object per text frame in both directions.
//
//   const client = new KpointClient();
//   await client.open("wss://host/kpoint");
//   await client.register({ cpCode, authKey, userId: "ann", name: "Ann" });
//   const { roomId } = await client.request("createVideoRoom", { destroy: true });
//   client.addEventListener("chat", ({ detail }) => console.log(detail.user, detail.message));
//
// A request carries a `reqId`, and the one response to it repeats that. What the server says unasked has none: it becomes an
// event, whose name is the `type` of a `presence`, else its `eventOp` ("sdp" and "candidate" of a P2P room), and whose `detail`
// is the message. Three events are ours: "message" {direction: "out" | "in", message} for each that passes, "refused"
// (a KpointError) when something sent without a `reqId` was refused, and "closed" {code} when the socket is gone.
//
// Invariant: every request ends once, with its response or with a KpointError, which is also thrown for whoever
// waits while the socket closes. It knows nothing of rooms or media: p2p.js and group.js do.

const REPLY_TIMEOUT_MS = 15_000; // the server itself gives up on its media side after 10 s, with code 504

/** The server refused a request, or did not answer it. `code` is a string of three digits, or "" without an answer. */
export class KpointError extends Error {
  constructor(eventOp, code, message) {
    super(message);
    this.name = "KpointError";
    this.eventOp = eventOp;
    this.code = code;
  }
}

export class KpointClient extends EventTarget {
  userId = "";
  iceServers = []; // for every RTCPeerConnection, as `register` was answered
  #socket = null;
  #pending = new Map(); // reqId → {eventOp, resolve, reject, timer}
  #lastId = 0;

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** A client has 30 seconds from here to register. */
  open(url) {
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#read(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => this.#closed(code));
    return new Promise((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("close", () => reject(new KpointError("", "", "The server does not answer.")));
    });
  }

  /** Closing the socket is how a client logs out; its room sees it leave. */
  close() {
    this.#socket?.close(1000);
  }

  /** credentials: {cpCode, authKey}, and what is wished: userId, name, device, forced. */
  async register(credentials) {
    // A browser does not know its address; the server wants the field, and does not look inside.
    const reply = await this.request("register", { ipAddr: "0.0.0.0", ...credentials });
    this.userId = reply.userId;
    this.iceServers = reply.iceServers;
    return reply;
  }

  /** Sends a request and waits for its response; throws a KpointError for any code but 200. */
  request(eventOp, fields) {
    this.#lastId += 1;
    const reqId = String(this.#lastId);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(reqId);
        reject(new KpointError(eventOp, "", `No answer to ${eventOp}.`));
      }, REPLY_TIMEOUT_MS);
      this.#pending.set(reqId, { eventOp, resolve, reject, timer });
      if (!this.send(eventOp, { ...fields, reqId })) this.#fail(reqId, "The connection to the server is gone.");
    });
  }

  /** Sends and does not wait: only `drawing` is meant so, and has no `reqId`. Returns whether there is a socket. */
  send(eventOp, fields) {
    if (!this.isOpen) return false;
    const message = { eventOp, ...(this.userId && { userId: this.userId }), ...fields };
    const text = JSON.stringify(message);
    this.#socket.send(text);
    this.#tell("message", { direction: "out", message: JSON.parse(text) });
    return true;
  }

  #read(message) {
    this.#tell("message", { direction: "in", message });
    const waiting = this.#pending.get(message.reqId);
    if (waiting !== undefined) {
      this.#pending.delete(message.reqId);
      clearTimeout(waiting.timer);
      if (message.code === "200") waiting.resolve(message);
      else waiting.reject(new KpointError(waiting.eventOp, message.code, message.message));
    } else if (message.code === undefined) {
      this.#tell(message.eventOp === "presence" ? message.type : message.eventOp, message);
    } else if (message.code !== "200") {
      this.#tell("refused", new KpointError(message.eventOp, message.code, message.message));
    }
  }

  #closed(code) {
    for (const reqId of [...this.#pending.keys()]) this.#fail(reqId, "The connection to the server is gone.");
    this.#socket = null;
    this.#tell("closed", { code });
  }

  #fail(reqId, why) {
    const { eventOp, reject, timer } = this.#pending.get(reqId);
    this.#pending.delete(reqId);
    clearTimeout(timer);
    reject(new KpointError(eventOp, "", why));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** KPOINT's address on the server that this page came from. */
export function kpointUrl(page = location.href) {
  const url = new URL("/kpoint", page);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
