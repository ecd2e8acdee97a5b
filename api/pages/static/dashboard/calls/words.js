// What calls are told in: moments as /analytics/v1 writes them, people, the two views, and how grave an event is. Pure.

/** The SDK of sessions that the server itself has reported. */
export const SERVER = "atrium";

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DAY_MS = 86_400_000;

/** "2026-11-23 12:00:00.5", of UTC, as milliseconds; null of null. */
export function moment(text) {
  return text === null || text === undefined ? null : Date.parse(`${text.replace(" ", "T")}Z`);
}

export function iso(text) {
  return text === null ? null : new Date(moment(text)).toISOString();
}

/** The time of day, to the millisecond. */
export function precise(text) {
  const at = moment(text);
  return `${clock.format(at)}.${String(Math.floor(at % 1000)).padStart(3, "0")}`;
}

/** What a person, or a conference, is called. */
export function named(name, id) {
  return name === null || name === "" ? id : name;
}

/** "browser" or "server": whose word a session is. */
export function viewOf(session) {
  return session.webrtc_sdk === SERVER ? "server" : "browser";
}

/** Days back from now, as filters of a query. */
export function since(days, now) {
  const from = new Date(now - days * DAY_MS);
  from.setUTCHours(0, 0, 0, 0);
  return `created_at_gte=${from.toISOString()}`;
}

/** Each day of the last ones, "YYYY-MM-DD", oldest first. */
export function lastDays(days, now) {
  return Array.from({ length: days }, (_, at) => new Date(now - (days - 1 - at) * DAY_MS).toISOString().slice(0, 10));
}

const BAD_STATES = new Set(["failed"]);
const DOUBTFUL_STATES = new Set(["disconnected"]);

/** error, warning, state, media, stats or said. */
export function gravity(event) {
  if (event.type === "onicecandidateerror") return "warning";
  if (event.type.endsWith("connectionstatechange")) {
    if (BAD_STATES.has(event.data)) return "error";
    return DOUBTFUL_STATES.has(event.data) ? "warning" : "state";
  }
  if (event.category === "getUserMedia") return event.data?.error ? "warning" : "media";
  return { connection: "state", track: "media", stats: "stats" }[event.category] ?? "said";
}

const NAMES = {
  addConnection: "Connection begins",
  removeConnection: "Connection ends",
  oniceconnectionstatechange: "ICE",
  onicegatheringstatechange: "ICE gathering",
  onconnectionstatechange: "Connection",
  onsignalingstatechange: "Signalling",
  onicecandidate: "ICE candidate",
  onicecandidateerror: "ICE candidate error",
  onnegotiationneeded: "Negotiation needed",
  ondatachannel: "Data channel",
  dtlsConnected: "DTLS up",
  firstPacket: "First packet",
  firstKeyFrame: "First key frame",
  peerDetails: "Peer's details",
  getUserMedia: "Camera and microphone",
  ontrack: "Track",
  joined: "Joined",
  left: "Left",
  endCall: "Call ended",
  beforeunload: "Page is being left",
  unload: "Page left",
  tabFocus: "Tab",
  stats: "Statistics",
};

/** An event in a few words. */
export function eventName(event) {
  const { type, data } = event;
  const name = NAMES[type] ?? type;
  if (typeof data === "string") return `${name}: ${data}`;
  if (type === "onsignalingstatechange") return `${name}: ${data?.signalingState ?? "?"}`;
  if (type === "custom") return `Custom: ${data?.eventName ?? "event"}`;
  if (type === "getUserMedia") return `${name}: ${data?.error ? `refused (${data.error.name ?? "?"})` : data?.constraints ? "asked" : "given"}`;
  if (type === "left" || type === "endCall") return data?.reason ? `${name}: ${data.reason}` : name;
  if (data?.kind !== undefined) return `${name}: ${data.kind}${data.source ? ` of the ${data.source}` : ""}`;
  return name;
}

/** JSON as one line, so long at most. */
export function brief(data, most = 160) {
  if (data === null || data === undefined) return "";
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return text.length > most ? `${text.slice(0, most)} …` : text;
}
