// From reports of statistics to what is drawn: rates and shares between one report of a connection and its next. Pure.
//
// Directions are the teller's: what a browser receives, the server has sent. A counter that has begun anew gives no point.

import { moment } from "./words.js";

/** What is drawn, in this order. Each gets the two reports and the seconds between them, and says null where it cannot tell. */
export const CHARTS = [
  { name: "Bit rate", unit: "kbit/s", lines: ["in", "out"] },
  { name: "Lost packets", unit: "%", lines: ["in"] },
  { name: "Jitter", unit: "ms", lines: ["in"] },
  { name: "Round trip", unit: "ms", lines: ["both"] },
  { name: "Picture height", unit: "px", lines: ["in", "out"] },
  { name: "Frame rate", unit: "1/s", lines: ["in", "out"] },
  { name: "Audio score", unit: "1 to 5", lines: ["in"] },
];

/** snapshots: [{session, connection, created_at, data}, …], oldest first → by session: {times, values: {chart: {line: []}}}. */
export function series(snapshots) {
  const before = new Map(); // by connection
  const found = new Map(); // by session
  for (const snapshot of snapshots) {
    const last = before.get(snapshot.connection);
    before.set(snapshot.connection, snapshot);
    const point = pointOf(snapshot, last);
    if (!found.has(snapshot.session)) found.set(snapshot.session, []);
    found.get(snapshot.session).push({ at: moment(snapshot.created_at) / 1000, ...point });
  }
  return found;
}

function pointOf(now, last) {
  const seconds = last === undefined ? 0 : (moment(now.created_at) - moment(last.created_at)) / 1000;
  const grown = (direction, name, kinds = ["audio", "video"]) => (seconds <= 0 ? null : growth(now, last, direction, name, kinds));
  const rate = (amount, per = 1) => (amount === null ? null : (amount * per) / seconds);
  const lost = grown("inbound", "packetsLost");
  const received = grown("inbound", "packetsReceived");
  return {
    "Bit rate": { in: rate(grown("inbound", "bytesReceived"), 0.008), out: rate(grown("outbound", "bytesSent"), 0.008) },
    "Lost packets": { in: lost === null || received === null || lost + received <= 0 ? null : (100 * Math.max(0, lost)) / (Math.max(0, lost) + received) },
    Jitter: { in: most(reports(now, "inbound").map((each) => scaled(each.jitter, 1000))) },
    "Round trip": { both: roundTrip(now, last) },
    "Picture height": { in: most(reports(now, "inbound", ["video"]).map((each) => each.frameHeight)), out: most(reports(now, "outbound", ["video"]).map((each) => each.frameHeight)) },
    "Frame rate": { in: rate(grown("inbound", "framesReceived", ["video"])), out: rate(grown("outbound", "framesSent", ["video"])) },
    "Audio score": { in: least(reports(now, "inbound", ["audio"]).map((each) => each.emos)) },
  };
}

function reports(snapshot, direction, kinds = ["audio", "video"]) {
  return kinds.flatMap((kind) => snapshot.data[kind]?.[direction] ?? []);
}

/** How much a counter of all streams has grown, as far as they were there before. */
function growth(now, last, direction, name, kinds) {
  const before = new Map(reports(last, direction, kinds).map((each) => [each.id, each[name]]));
  let sum = null;
  for (const each of reports(now, direction, kinds)) {
    const former = before.get(each.id);
    if (!isNumber(each[name]) || !isNumber(former)) continue;
    if (each[name] < former && name !== "packetsLost") return null;
    sum = (sum ?? 0) + each[name] - former;
  }
  return sum;
}

/** By the answers to connectivity checks, else by what the other end has reported of what it hears. */
function roundTrip(now, last) {
  const [pair, former] = [now.data.connection, last?.data.connection];
  const answers = (pair.responsesReceived ?? 0) - (former?.responsesReceived ?? 0);
  const time = (pair.totalRoundTripTime ?? NaN) - (former?.totalRoundTripTime ?? 0);
  if (answers > 0 && time >= 0) return (1000 * time) / answers;
  const remote = now.data.remote ?? {};
  const said = ["audio", "video"].flatMap((kind) => remote[kind]?.inbound ?? []).map((each) => scaled(each?.roundTripTime, 1000));
  return most(said);
}

function scaled(value, by) {
  return isNumber(value) ? value * by : null;
}

function most(values) {
  const known = values.filter(isNumber);
  return known.length === 0 ? null : Math.max(...known);
}

function least(values) {
  const known = values.filter(isNumber);
  return known.length === 0 ? null : Math.min(...known);
}

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}
