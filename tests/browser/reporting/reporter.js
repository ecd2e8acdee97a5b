// An SDK of call analytics as small as the protocol allows (contract analytics, sections 4 and 11), for tests.
//
// It runs before the scripts of the page that it is put into and after @peermetrics/webrtc-stats, whose WebRTCStats watches
// getUserMedia and each RTCPeerConnection of the page. What that says is kept with its time until `start`, since only then is it
// known who reports; from then on it goes at once, `delta` milliseconds late. Nothing here decides what a report means.
//
//     report = new Reporter(root, apiKey); await report.start(conferenceId, userId, userName); …; await report.end();

const SFU = "atrium"; // the other end of every connection of such a page
const AT_ONCE = 6; // requests; as many connections as Chromium makes to a server, so that no request ages in its queue

class Reporter {
  answers = []; // {status, method, path, body, said} of what was answered, for tests
  interval = null; // ms, as the server wishes
  #root;
  #apiKey;
  #token = null;
  #isOver = false;
  #seen = []; // [event, performance.now()] before the start
  #connections = new Map(); // webrtc-stats' connectionId → a promise of the ids that the server gave
  #tracks = new Map(); // track id → a promise that the server knows it
  #underWay = new Set();
  #places = AT_ONCE;
  #waiting = [];
  // No statistics until the server has said how often.
  #stats = new WebRTCStats({ getStatsInterval: 3_600_000, remote: true, wrapGetUserMedia: true });

  constructor(root, apiKey) {
    this.#root = root;
    this.#apiKey = apiKey;
    this.#stats.on("timeline", (event) => this.#notice(event));
    const watch = (pc) => this.#stats.addConnection({ pc, peerId: SFU, remote: true });
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(...given) {
        super(...given);
        watch(this);
      }
    };
    addEventListener("beforeunload", () => this.#leave("beforeunload"));
    // Chromium is about to stop telling of `unload`; this is the last that a page hears.
    addEventListener("pagehide", () => this.#leave("unload"));
  }

  async start(conferenceId, userId, userName) {
    const hello = { apiKey: this.#apiKey, conferenceId, userId, userName };
    const { token, getStatsInterval } = await this.#ask("POST", "/initialize", hello);
    const visit = { token, platform: platform(), appVersion: "test", webrtcSdk: "webrtc-stats 5.9" };
    this.#token = (await this.#ask("POST", "/sessions", visit)).token;
    const devices = (await navigator.mediaDevices.enumerateDevices()).map((each) => each.toJSON());
    const constraints = navigator.mediaDevices.getSupportedConstraints();
    await this.#ask("PUT", "/sessions", { devices, constraints });
    this.interval = this.#stats.getStatsInterval = getStatsInterval;
    this.#seen.splice(0).forEach(([event, at]) => this.#begin(event, at));
  }

  /** Something that the application wants to be known. */
  custom(data) {
    return this.#ask("POST", "/events/browser", { eventName: "custom", data }, performance.now());
  }

  /** The call ends for this side, whether its connections do or not. */
  async end() {
    const at = performance.now();
    this.#isOver = true;
    this.#stats.removeAllPeers();
    // Statistics that come after the end of their connection are refused.
    await Promise.allSettled(this.#underWay);
    await this.#ask("POST", "/events/browser", { eventName: "endCall" }, at);
  }

  #notice(event) {
    if (this.#isOver) return;
    const at = performance.now();
    if (event.event === "addConnection") event.state = event.data.options.pc.connectionState;
    if (this.#token === null || this.interval === null) this.#seen.push([event, at]);
    else this.#begin(event, at);
  }

  #begin(event, at) {
    // The statistics on their way when a connection closes belong before its end.
    const before = event.data === "closed" ? [...this.#underWay] : [];
    const told = this.#tell(event, at, before).finally(() => this.#underWay.delete(told));
    this.#underWay.add(told);
  }

  async #tell(event, at, before) {
    if (before.length > 0) await Promise.allSettled(before);
    if (event.tag === "getUserMedia") return this.#tellMedia(event.data, at);
    if (event.tag === "track") return this.#tellTrack(event, at);
    if (event.event === "addConnection") return this.#connect(event, at);
    const { peerId, connectionId } = await this.#connections.get(event.connectionId);
    const body = { peerId, connectionId, data: plain(event.data ?? event.error) };
    if (event.tag === "stats") return this.#ask("POST", "/stats", { ...body, timeTaken: event.timeTaken }, at);
    if (event.tag === "datachannel") body.data = null;
    return this.#ask("POST", "/connection", { ...body, eventName: event.event }, at);
  }

  async #connect({ connectionId, state, data }, at) {
    const hello = { eventName: "addConnection", peerId: SFU, peerName: "Atrium", connectionState: state, isSfu: true };
    const known = this.#ask("POST", "/connection", hello, at).then((made) => ({ peerId: made.peer_id, connectionId: made.connection_id }));
    this.#connections.set(connectionId, known);
    const details = { options: { peerId: SFU, remote: true }, peerConfiguration: plain(data.peerConfiguration) };
    await this.#ask("POST", "/connection", { ...(await known), eventName: "peerDetails", data: details }, at);
  }

  async #tellMedia({ constraints, details, error }, at) {
    let data = { constraints };
    if (error) data = { error: { name: error.name, message: error.message } };
    if (details) data = { audio: details.audio.map(described), video: details.video.map(described) };
    const told = this.#ask("POST", "/events/get-user-media", { eventName: "getUserMedia", data: plain(data) }, at);
    for (const track of [...(data.audio ?? []), ...(data.video ?? [])]) this.#tracks.set(track.id, told);
    await told;
  }

  async #tellTrack({ event, connectionId, data }, at) {
    if (event === "ontrack") {
      const track = plain(described(data.track));
      const made = this.#connections.get(connectionId).then((ids) => {
        const body = { connectionId: ids.connectionId, event, trackId: track.id, data: track };
        return this.#ask("POST", "/tracks", body, at);
      });
      this.#tracks.set(track.id, made);
      return made;
    }
    const track = data.event.target;
    const now = { muted: track.muted, readyState: track.readyState };
    await this.#tracks.get(track.id); // before that, the server would not know which
    return this.#ask("PUT", "/tracks", { event, trackId: track.id, data: now }, at);
  }

  /** What happened `at` that time, if a time is given. Its age is reckoned when the request really leaves. */
  async #ask(method, path, body, at = null) {
    if (this.#places > 0) this.#places--;
    else await new Promise((free) => this.#waiting.push(free));
    try {
      const age = at === null ? {} : { delta: Math.max(0, performance.now() - at) };
      // A string for a body is text/plain: no preflight, unless the method needs one.
      const whole = JSON.stringify({ token: this.#token, ...body, ...age });
      const answer = await fetch(this.#root + path, { method, body: whole, credentials: "include" });
      const said = await answer.json();
      this.answers.push({ status: answer.status, method, path, body, said });
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(said)}`);
      return said;
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#places++;
    }
  }

  #leave(eventName) {
    if (this.#token === null) return;
    const [address, body] = [`${this.#root}/events/browser`, JSON.stringify({ token: this.#token, eventName })];
    if (eventName === "unload") navigator.sendBeacon(address, body);
    // The page is gone before there is an answer.
    else fetch(address, { method: "POST", body, keepalive: true, credentials: "include" }).catch(() => {});
  }
}

/** A track's details without the track. */
function described({ _track, ...details }) {
  return details;
}

/** As JSON has it: candidates and descriptions have getters, which are none of their own. */
function plain(data) {
  return data === undefined ? null : JSON.parse(JSON.stringify(data));
}

function platform() {
  const version = navigator.userAgent.match(/Chrome\/([\d.]+)/)?.[1] ?? "";
  const [browser, engine] = [{ name: "Chrome", version, major: version.split(".")[0] }, { name: "Blink", version }];
  return { ua: navigator.userAgent, browser, engine, os: { name: "Linux" }, device: {}, cpu: {} };
}
