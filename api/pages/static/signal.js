// The Room API's socket, seen from a browser: one JSON object per text frame, requests with an id and a reply,
// notifications without one in both directions, and a line that comes back by itself.
//
// It knows nothing of rooms or media. Whoever owns it is told three things: the line is up (`onOpen`: say who you are
// again, a new socket is a stranger to the server), something arrived (`onNotification`), the line is down (`onDown`,
// with the seconds until the next try, or with a reason why there will be none).
//
// Invariant: every request ends exactly once, by its reply, by a RoomError, or by Offline when the line goes.

// Back-off: quick at first, because a member who is back within the server's grace of 10 s was never away to the others.
const DELAYS_MS = [200, 500, 1000, 2000, 4000, 8000];
const OPEN_TIMEOUT_MS = 8000;
const REPLY_TIMEOUT_MS = 15000;

// The close code of a socket whose call was joined from another one. Coming back would start a tug of war.
const TAKEN_OVER = 4001;

/** The server said no. `code` is one of the Room API's error codes; isLimit: a licence has no place left. */
export class RoomError extends Error {
  constructor({ code, message, status }) {
    super(message || `error ${code}`);
    this.name = "RoomError";
    this.code = code;
    this.isLimit = status === false;
  }
}

/** The line went down before a reply came. */
export class Offline extends Error {
  constructor() {
    super("the connection to the server is gone");
    this.name = "Offline";
  }
}

export class Signal {
  #url;
  #handlers;
  #socket = null;
  #pending = new Map(); // id → {resolve, reject, timer}
  #lastId = 0;
  #tries = 0;
  #timer = 0;
  #wanted = false;

  /** handlers: {onOpen(), onNotification(method, params), onDown(retryInSeconds | null, reason)} */
  constructor(url, handlers) {
    this.#url = url;
    this.#handlers = handlers;
  }

  get isOpen() {
    return this.#socket !== null && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Opens the line and keeps it open until close(). */
  open() {
    this.#wanted = true;
    this.#tries = 0;
    this.#connect();
  }

  /** Ends it for good. What was written before still leaves. */
  close() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#drop(1000);
  }

  /** Gives up the present socket, if any, and opens another at once. */
  reopen() {
    if (!this.#wanted) return;
    this.#drop(4000);
    this.#connect();
  }

  request(method, params = {}) {
    if (!this.isOpen) return Promise.reject(new Offline());
    const socket = this.#socket;
    const id = String(++this.#lastId);
    return new Promise((resolve, reject) => {
      // No reply for so long means that the line is dead and the browser has not noticed.
      const timer = setTimeout(() => {
        if (this.#socket === socket) this.reopen();
      }, REPLY_TIMEOUT_MS);
      this.#pending.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /** Says something that has no answer. Returns false if there is nobody to hear it. */
  notify(method, params = {}) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify({ method, params }));
    return true;
  }

  #connect() {
    clearTimeout(this.#timer);
    if (!this.#wanted || this.#socket !== null) return;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    const impatience = setTimeout(() => this.#lost(socket, 0), OPEN_TIMEOUT_MS);
    socket.addEventListener("open", () => {
      clearTimeout(impatience);
      if (this.#socket === socket) this.#handlers.onOpen();
    });
    socket.addEventListener("message", (event) => {
      if (this.#socket === socket) this.#read(event.data);
    });
    socket.addEventListener("close", (event) => {
      clearTimeout(impatience);
      this.#lost(socket, event.code);
    });
  }

  #read(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message.method !== undefined) {
      this.#handlers.onNotification(message.method, message.params || {});
      return;
    }
    const waiting = this.#pending.get(String(message.id));
    if (waiting === undefined) return;
    this.#pending.delete(String(message.id));
    clearTimeout(waiting.timer);
    // Only a server that answers has proved to be well: an open socket alone does not reset the back-off.
    this.#tries = 0;
    if (message.error) waiting.reject(new RoomError(message.error));
    else waiting.resolve(message.result);
  }

  /** Forgets the socket without telling anybody but those who wait for a reply. */
  #drop(code) {
    const socket = this.#socket;
    this.#socket = null;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new Offline());
    }
    this.#pending.clear();
    if (socket !== null) socket.close(code);
  }

  #lost(socket, code) {
    if (this.#socket !== socket) return;
    this.#drop(1000);
    if (code === TAKEN_OVER) {
      this.#wanted = false;
      this.#handlers.onDown(null, "elsewhere");
    } else if (this.#wanted) {
      const most = DELAYS_MS[Math.min(this.#tries, DELAYS_MS.length - 1)];
      this.#tries += 1;
      // Jitter, so that a whole room does not come back in the same millisecond after a restart.
      const delay = most * (0.5 + Math.random() / 2);
      this.#timer = setTimeout(() => this.#connect(), delay);
      this.#handlers.onDown(delay / 1000, "lost");
    }
  }
}

/** The Room API's address on the server that this page came from. */
export function roomUrl(page = location.href) {
  const url = new URL("/room", page);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
