// A client of call analytics (contract analytics, section 4), for tests: it wraps every RTCPeerConnection of a page, lets
// @peermetrics/webrtc-stats (vendor/webrtc-stats) watch it, and reports what that says. It is told who reports once the page has
// joined; what has happened until then is sent with the time that has passed since.

class Reporter {
  answers = []; // "status method path", for tests
  #root;
  #key;
  #stats = new WebRTCStats({ getStatsInterval: 1000, remote: true, wrapGetUserMedia: true });
  #token = null;
  #waiting = []; // [event, performance.now()] until the connection they are of is known
  #ids = new Map(); // webrtc-stats' connectionId → what /connection answered

  constructor(root, key) {
    this.#root = root;
    this.#key = key;
    this.#stats.on("timeline", (event) => this.#on(event, performance.now()));
    const [Native, watch] = [RTCPeerConnection, (pc) => this.#watch(pc)];
    window.RTCPeerConnection = class extends Native {
      constructor(...given) {
        super(...given);
        watch(this);
      }
    };
    addEventListener("beforeunload", () => this.#leave("beforeunload"));
    addEventListener("pagehide", () => this.#leave("unload"));
  }

  /** From now on reports are sent. */
  async start(conferenceId, userId, userName) {
    const { token } = await this.#send("POST", "/initialize", { apiKey: this.#key, conferenceId, userId, userName });
    const platform = { browser: { name: "Chrome", version: navigator.appVersion.match(/Chrome\/([\d.]+)/)?.[1] }, os: { name: "Linux" } };
    const visit = { token, platform, constraints: {}, webrtcSdk: "5.9.0", appVersion: "test" };
    this.#token = (await this.#send("POST", "/sessions", visit)).token;
    await this.#flush();
  }

  /** As an application that hangs up. */
  async end() {
    await this.#send("POST", "/events/browser", { eventName: "endCall" });
  }

  async #watch(pc) {
    await this.#stats.addConnection({ pc, peerId: "atrium", remote: true });
  }

  #on(event, at) {
    this.#waiting.push([event, at]);
    if (this.#token !== null) this.#flush();
  }

  async #flush() {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [event, at] of waiting) {
      const isNew = event.connectionId !== undefined && event.connectionId !== null && !this.#ids.has(event.connectionId);
      // What follows goes in parallel, as soon as there is an answer to this.
      if (isNew) this.#ids.set(event.connectionId, this.#connect(at));
      this.#report(event, at);
    }
  }

  async #connect(at) {
    const answer = await this.#send("POST", "/connection", { eventName: "addConnection", peerId: "atrium", isSfu: true, delta: performance.now() - at });
    return { peerId: answer.peer_id, connectionId: answer.connection_id };
  }

  async #report(event, at) {
    const ids = event.connectionId ? await this.#ids.get(event.connectionId) : {};
    const common = { ...ids, delta: Math.max(0, performance.now() - at) };
    const { event: eventName, tag } = event;
    if (tag === "stats") return this.#send("POST", "/stats", { ...common, data: event.data });
    if (tag === "connection") return this.#send("POST", "/connection", { ...common, eventName, data: plain(event.data) });
    if (tag === "getUserMedia") return this.#send("POST", "/events/get-user-media", { delta: common.delta, eventName: "getUserMedia", data: media(event.data) });
    if (tag !== "track") return null;
    const track = event.data?.track;
    if (track === undefined) return null;
    const told = { ...common, event: eventName, trackId: track.id };
    if (eventName !== "ontrack") return this.#send("PUT", "/tracks", told);
    const data = { id: track.id, kind: track.kind, label: track.label, enabled: track.enabled, muted: track.muted, readyState: track.readyState };
    return this.#send("POST", "/tracks", { ...told, data });
  }

  async #send(method, path, body) {
    const whole = this.#token === null ? body : { ...body, token: this.#token };
    const response = await fetch(this.#root + path, { method, body: JSON.stringify(whole), credentials: "include" });
    this.answers.push(`${response.status} ${method} ${path}`);
    const answer = await response.json();
    if (!response.ok) this.answers.push(JSON.stringify(answer));
    return answer;
  }

  #leave(eventName) {
    if (this.#token === null) return;
    const body = JSON.stringify({ token: this.#token, eventName });
    const path = `${this.#root}/events/browser`;
    if (eventName === "unload") navigator.sendBeacon(path, body);
    else fetch(path, { method: "POST", body, keepalive: true, credentials: "include" });
  }
}

/** As JSON has it: what the browser gives has getters, which are none of its own. */
function plain(data) {
  if (data === null || typeof data !== "object") return data ?? null;
  return JSON.parse(JSON.stringify(typeof data.toJSON === "function" ? data.toJSON() : data));
}

function media(data) {
  if (data?.error) return { error: { name: data.error.name, message: data.error.message } };
  if (data?.constraints) return { constraints: data.constraints };
  const tracks = (list) => (list ?? []).map(({ id, kind, label, enabled, muted, readyState }) => ({ id, kind, label, enabled, muted, readyState }));
  return { audio: tracks(data?.details?.audio), video: tracks(data?.details?.video) };
}
