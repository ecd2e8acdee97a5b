// Requests to the server, with the token of whoever has signed in. It is kept for this tab alone, until that is closed.

const TOKEN = "atrium.dashboard.token";
const PATIENCE_MS = 10_000;

/** The server does not know the token, or no longer. */
export class Unwelcome extends Error {}

/** The server answered, and the answer is no. */
export class Refused extends Error {
  constructor(status, message, retryAfterS) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS; // null if it does not say
  }
}

/** No answer, or none that makes sense. */
export class Away extends Error {}

export class Client {
  #token = sessionStorage.getItem(TOKEN);
  #ahead = 0; // ms, of the server's clock before ours

  get isSignedIn() {
    return this.#token !== null;
  }

  /** The server's time, as far as its answers have told: how long something has lasted does not depend on our clock. */
  now() {
    return Date.now() + this.#ahead;
  }

  signOut() {
    if (this.isSignedIn) fetch("/dashboard/sign-in", { method: "DELETE", keepalive: true }).catch(() => {}); // the cookie
    this.#token = null;
    sessionStorage.removeItem(TOKEN);
  }

  async signInAs(user, password) {
    const body = JSON.stringify({ user, password });
    const headers = { "Content-Type": "application/json" };
    const { token } = await this.#ask("/dashboard/sign-in", { method: "POST", headers, body });
    this.#keep(token);
  }

  /** With a licence key or a bearer key: whether it is one shows with the first request. */
  signInBy(token) {
    this.#keep(token);
  }

  async get(path, signal) {
    return this.#ask(path, { signal });
  }

  async delete(path) {
    return this.#ask(path, { method: "DELETE" });
  }

  /** With a JSON body. */
  async send(method, path, body) {
    return this.#ask(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  }

  /** Saves an answer as a file: a link could not say who asks for it. */
  async download(path, name) {
    const response = await fetch(path, { headers: { Authorization: `Bearer ${this.#token}` }, cache: "no-store" });
    if (!response.ok) throw new Refused(response.status, response.statusText, null);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  #keep(token) {
    this.#token = token;
    sessionStorage.setItem(TOKEN, token);
  }

  async #ask(path, { method = "GET", headers = {}, body, signal } = {}) {
    const given = new Headers(headers); // outside of `try`: what no header can hold is no fault of the server
    if (this.#token !== null) given.set("Authorization", `Bearer ${this.#token}`);
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const signals = signal === undefined ? patience : AbortSignal.any([signal, patience]);
    let response, text;
    try {
      response = await fetch(path, { method, headers: given, body, signal: signals, cache: "no-store" });
      text = await response.text();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Away("the server does not answer");
    }
    this.#setClock(response.headers.get("Date"));
    let value;
    try {
      value = text === "" ? null : JSON.parse(text);
    } catch {
      throw new Away("the answer makes no sense"); // of something that stands before the server
    }
    if (response.ok) return value;
    const said = value?.error?.message ?? value?.message ?? response.statusText;
    if (response.status === 401) throw new Unwelcome(said);
    if (response.status >= 500) throw new Away(said);
    const after = Number(response.headers.get("Retry-After") ?? NaN);
    throw new Refused(response.status, said, Number.isFinite(after) ? after : null);
  }

  /** `Date` is in whole seconds; ours is right unless it differs by more than rounding and the way here explain. */
  #setClock(date) {
    const at = Date.parse(date ?? "");
    if (Number.isNaN(at)) return;
    const ahead = at + 500 - Date.now();
    this.#ahead = Math.abs(ahead) > 2000 ? ahead : 0;
  }
}
