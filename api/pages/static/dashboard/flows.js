// From the counters of /v1/live/rooms to what is shown: what flows a second, and what gets lost. Pure: no page, no request.
//
// Counters are cumulative, so a rate is the difference between two refreshes. There is none at the first one, nor where a
// counter has begun anew. Directions are the server's: in is what members send, out what they receive.

/** Remembers counters from one refresh to the next. */
export class Differences {
  #before = new Map();
  #now = new Map();
  #seconds = 0;
  #at = null;

  /** A refresh begins, at this time in ms. */
  next(at) {
    this.#seconds = this.#at === null ? 0 : (at - this.#at) / 1000;
    this.#at = at;
    this.#before = this.#now;
    this.#now = new Map();
  }

  /** How much these counters have grown, and in how many seconds; null if that cannot be said. */
  of(key, counters) {
    const before = this.#before.get(key);
    this.#now.set(key, counters);
    if (before === undefined || this.#seconds <= 0) return null;
    const grown = { seconds: this.#seconds };
    for (const [name, value] of Object.entries(counters)) {
      grown[name] = value - before[name];
      // Lost packets may be found again: that is no new beginning.
      if (grown[name] < 0 && name !== "lost") return null;
    }
    return grown;
  }
}

/** A room as it is shown: the server's room, with `members` that have `connections`, and rates at every level. */
export function flowing(room, differences) {
  const codecs = sentCodecs(room);
  const names = new Map(room.members.map((member) => [member.id, member.name]));
  const members = room.members.map((member) => {
    const known = { differences, names, codecOf: (stream) => codecs(member.id, stream) };
    const connections = named(member).map(([key, peer]) => connection(`${room.id} ${member.id} ${key}`, peer, known));
    const rtt_us = largest(connections.flatMap((each) => each.outbound), "rtt_us");
    return { ...member, connections, ...totals(connections), rtt_us };
  });
  return { ...room, members, ...totals(members) };
}

function connection(key, peer, { differences, names, codecOf }) {
  const grown = differences.of(key, { bytes_in: peer.bytes_in, bytes_out: peer.bytes_out });
  const inbound = peer.inbound.map((each) => arriving(`${key} in ${each.mid} ${each.ssrc}`, each, differences));
  const outbound = peer.outbound.map((each) => ({
    ...leaving(`${key} out ${each.mid} ${each.ssrc}`, each, differences),
    from: each.source === null ? null : names.get(each.source) ?? each.source,
    codec: codecOf(each),
  }));
  return {
    ...peer,
    key,
    inbound,
    outbound,
    in_bps: bits(grown, "bytes_in"),
    out_bps: bits(grown, "bytes_out"),
    loss: largest([...inbound, ...outbound], "loss_now"),
  };
}

function arriving(key, stream, differences) {
  const { packets, bytes, lost } = stream;
  const grown = differences.of(key, { packets, bytes, lost });
  return {
    ...stream,
    key,
    bps: bits(grown, "bytes"),
    packets_s: perSecond(grown, "packets"),
    // What arrives without a gap and what does not is all that was sent; packets that came again are not counted twice.
    loss: share(lost, packets + lost),
    loss_now: grown === null ? null : share(grown.lost, grown.packets + grown.lost),
  };
}

function leaving(key, stream, differences) {
  const { packets, bytes, lost } = stream;
  const grown = differences.of(key, { packets, bytes });
  return {
    ...stream,
    key,
    bps: bits(grown, "bytes"),
    packets_s: perSecond(grown, "packets"),
    loss: share(lost, packets),
    // By the receiver's last report, which speaks of the interval before it (RFC 3550 6.4.1).
    loss_now: packets === 0 ? null : stream.lost_fraction,
  };
}

/**
 * The codec of what is sent on: nothing is transcoded, so it is that of whoever sends it, or of all whose sound it may be.
 * Null if that is not one.
 */
function sentCodecs(room) {
  const sent = room.members.flatMap(({ id, streams }) =>
    streams.flatMap((peer) => peer.inbound.map(({ kind, codec }) => ({ member: id, kind, codec }))));
  return (receiver, { source, kind }) => {
    const may = ({ member }) => (source === null ? member !== receiver : member === source);
    const found = new Set(sent.filter((each) => each.kind === kind && may(each)).map((each) => each.codec));
    return found.size === 1 ? [...found][0] : null;
  };
}

/** Connections with a key that stays: they have no name, but what is sent by them has a number (SSRC). */
function named(member) {
  const seen = new Set();
  return member.streams.map((peer, at) => {
    const ssrc = [...peer.outbound, ...peer.inbound].find((each) => each.ssrc !== 0)?.ssrc;
    let key = `${peer.publishes} ${ssrc ?? at}`;
    if (seen.has(key)) key += ` ${at}`;
    seen.add(key);
    return [key, peer];
  });
}

function totals(parts) {
  return { in_bps: sum(parts, "in_bps"), out_bps: sum(parts, "out_bps"), loss: largest(parts, "loss") };
}

function sum(parts, name) {
  const known = parts.map((each) => each[name]).filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((all, value) => all + value, 0);
}

function largest(parts, name) {
  const known = parts.map((each) => each[name]).filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function bits(grown, name) {
  return grown === null ? null : (grown[name] * 8) / grown.seconds;
}

function perSecond(grown, name) {
  return grown === null ? null : grown[name] / grown.seconds;
}

function share(part, whole) {
  return whole <= 0 ? null : Math.max(0, part) / whole;
}
