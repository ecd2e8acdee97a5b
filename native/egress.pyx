"""What leaves a worker; egress.pxd states the rules.

Sections: RFC 3550 (numbering), RFC 8285 (extensions), RFC 4588 (retransmission), RFC 5104 and 4585 (PLI).
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from native.codecs cimport CODEC_VP8, vp8_map_switch, vp8_rewrite
from native.crypto cimport SRTP_OK, SRTP_TRAILER
from native.departures cimport departed
from native.history cimport history_get
from native.os cimport (
    EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, ENOBUFS, EOPNOTSUPP, MSG_DONTWAIT, errno, exchange_u32, now_ns, prefetch, sendmmsg,
    sendto, mmsghdr, set_segment, sockaddr, write,
)
from native.pool cimport MAX_ELEMENTS, PACKET_BYTES, Packet, packet_drop, packet_keep
from native.ring cimport ring_commit, ring_reserve
from native.rtcp cimport rtcp_put_pli
from native.rtp cimport (
    EXT_MID, EXT_SEND_TIME, EXT_TWCC, ONE_BYTE_PROFILE, RTP_HEADER, TWO_BYTE_PROFILE, put_u16, put_u24,
    put_u32,
)
from native.seqmap cimport (
    seqmap_map, seqmap_reverse, seqmap_skip, seqmap_switch, tsmap_map, tsmap_switch,
)
from native.state cimport (
    ARENA_BYTES, C_DROP_PROTECT, C_DROP_RING_FULL, C_DROP_RTX_BUDGET, C_DROP_RTX_REPEATED, C_DROP_RTX_UNKNOWN,
    C_DROP_SEND_ERROR, C_DROP_SEND_FULL, C_GSO_REFUSED, C_KEYFRAME_REQUESTS, C_RTCP_SENT, C_RTX_SENT, C_SEND_CALLS,
    C_DROP_AWAITING_KEYFRAME, C_DROP_LARGE_EXTENSION, C_DROP_LATE, C_DROP_NO_CODEC, C_DROP_NOT_READY, C_SENT, C_SENT_BYTES, CROSS_KEY_REQUEST, CROSS_PACKET, KIND_VIDEO, RESENT, SEND_MESSAGES, TRAIN_BYTES,
    TRAIN_PACKETS, Bus, Cross, Remote, Resent, Route, SubscriptionConfig, Train,
)

cdef enum:
    # The most that a header can take: fixed part, extension head, mid, numbers and time in the two-byte form.
    # What passed elements take is part of PACKET_BYTES already, but for their heads.
    HEADER_ROOM = RTP_HEADER + 4 + 18 + 4 + 5 + 2 * MAX_ELEMENTS + 3
    OUTGOING_ROOM = HEADER_ROOM + PACKET_BYTES + 2 + SRTP_TRAILER
    RTX_BUDGET_BYTES = 256 * 1024  # a peer's bucket: retransmissions may at most double what it is sent
    RTX_QUIET_MS = 15              # one packet is not sent again sooner
    KEY_REQUEST_NS = 500_000_000   # a publication is asked for a key frame no oftener


cdef inline int write_extensions(Worker *w, Subscription *s, Packet *packet, uint8_t *out) noexcept nogil:
    """The extension block of an outgoing packet at `out`; its size, 0 if nothing was negotiated."""
    cdef Peer *peer = s.peer
    cdef uint8_t *ids = peer.config.ext_out
    cdef SubscriptionConfig *config = s.config
    cdef int at = 4
    cdef int i, id, size
    cdef bint two_byte = False
    for i in range(packet.n_elements):
        if ids[packet.elements[i].kind] and packet.elements[i].size > 16:
            two_byte = peer.config.two_byte
    if ids[EXT_TWCC] and config.numbered:
        at += put_head(out + at, ids[EXT_TWCC], 2, two_byte)
        put_u16(out + at, <uint16_t>peer.departures.next)
        at += 2
    if ids[EXT_SEND_TIME]:
        at += put_head(out + at, ids[EXT_SEND_TIME], 3, two_byte)
        put_u24(out + at, w.send_time)
        at += 3
    if ids[EXT_MID] and config.mid_size:
        at += put_head(out + at, ids[EXT_MID], config.mid_size, two_byte)
        memcpy(out + at, config.mid, config.mid_size)
        at += config.mid_size
    for i in range(packet.n_elements):
        id = ids[packet.elements[i].kind]
        size = packet.elements[i].size
        if id == 0:
            continue
        if size > 16 and not two_byte:
            w.counters[C_DROP_LARGE_EXTENSION] += 1
            continue
        at += put_head(out + at, id, size, two_byte)
        memcpy(out + at, packet.data + packet.elements[i].at, size)
        at += size
    if at == 4:
        return 0
    while at & 3:
        out[at] = 0
        at += 1
    put_u16(out, TWO_BYTE_PROFILE if two_byte else ONE_BYTE_PROFILE)
    put_u16(out + 2, <uint16_t>((at - 4) >> 2))
    return at


cdef inline int put_head(uint8_t *out, int id, int size, bint two_byte) noexcept nogil:
    if two_byte:
        out[0] = <uint8_t>id
        out[1] = <uint8_t>size
        return 2
    out[0] = <uint8_t>((id << 4) | (size - 1))
    return 1


cdef bint append(
    Worker *w, Subscription *s, Packet *packet, uint8_t pt, uint32_t ssrc, uint16_t seq, uint32_t ts, int original
) noexcept nogil:
    """Write, encrypt and queue one packet for a subscriber.

    `original` is the sequence number that a retransmission carries before its payload (RFC 4588 4), -1 for none.
    """
    cdef Peer *peer = s.peer
    cdef Sender *sender = &w.senders[peer.sock]
    cdef Train *train
    cdef uint8_t *out
    cdef uint8_t *payload
    cdef int at, size
    cdef uint32_t start
    if sender.used + OUTGOING_ROOM > ARENA_BYTES:
        flush(w, sender)
    start = sender.used
    out = sender.arena + start
    at = write_extensions(w, s, packet, out + RTP_HEADER)
    out[0] = 0x90 if at else 0x80
    at += RTP_HEADER
    out[1] = <uint8_t>((packet.marker << 7) | pt)
    put_u16(out + 2, seq)
    put_u32(out + 4, ts)
    put_u32(out + 8, ssrc)
    if original >= 0:
        put_u16(out + at, <uint16_t>original)
        at += 2
    payload = out + at
    memcpy(payload, packet.data + packet.payload_at, packet.payload_size)
    if packet.codec == CODEC_VP8:
        vp8_rewrite(&s.vpmap, payload, packet.payload_size)
    size = at + packet.payload_size
    if w.protect(peer.srtp_out, out, &size) != SRTP_OK:
        w.counters[C_DROP_PROTECT] += 1
        return False
    if s.config.numbered and peer.config.ext_out[EXT_TWCC]:
        departed(&peer.departures, <uint32_t>size, w.leaving_ns)
    peer.packets_out += 1
    peer.bytes_out += size
    s.bytes += size

    # The first packet of a message sets the size of its segments; a shorter one ends it.
    if sender.n:
        train = &sender.trains[sender.n - 1]
        if (
            train.peer == peer
            and not train.closed
            and <uint32_t>size <= train.segment
            and train.count < TRAIN_PACKETS
            and train.bytes + size <= TRAIN_BYTES
        ):
            train.bytes += size
            train.count += 1
            train.closed = <uint32_t>size < train.segment
            sender.used += size
            return True
        if sender.n == SEND_MESSAGES:
            flush(w, sender)
            memmove(sender.arena, out, size)
            start = 0
    train = &sender.trains[sender.n]
    train.peer = peer
    train.at = start
    train.bytes = size
    train.segment = size
    train.count = 1
    train.closed = 0
    sender.n += 1
    sender.used = start + size
    return True


cdef void flush(Worker *w, Sender *sender) noexcept nogil:
    """Send what is queued on one socket; afterwards its arena is empty, whatever the kernel said."""
    cdef uint32_t i
    cdef uint32_t n = sender.n
    cdef int sent
    cdef Train *train
    cdef mmsghdr *message
    for i in range(n):
        train = &sender.trains[i]
        message = &sender.messages[i]
        sender.vectors[i].iov_base = sender.arena + train.at
        sender.vectors[i].iov_len = train.bytes
        message.msg_hdr.msg_name = &train.peer.remote
        message.msg_hdr.msg_namelen = train.peer.remote_size
        message.msg_hdr.msg_iov = &sender.vectors[i]
        message.msg_hdr.msg_iovlen = 1
        message.msg_hdr.msg_flags = 0
        if train.count > 1:
            set_segment(&message.msg_hdr, &sender.control[i][0], <uint16_t>train.segment)
        else:
            message.msg_hdr.msg_control = NULL
            message.msg_hdr.msg_controllen = 0
    i = 0
    while i < n:
        train = &sender.trains[i]
        if train.count > 1 and not sender.segments:
            send_cut(w, sender, train)
            i += 1
            continue
        sent = sendmmsg(sender.fd, &sender.messages[i], leading(sender, i, n), MSG_DONTWAIT)
        w.counters[C_SEND_CALLS] += 1
        if sent > 0:
            for _ in range(sent):
                w.counters[C_SENT] += sender.trains[i].count
                w.counters[C_SENT_BYTES] += sender.trains[i].bytes
                i += 1
        elif errno == EINTR:
            continue
        elif train.count > 1 and errno == EMSGSIZE:
            # Segments above the path's MTU are refused, single packets are fragmented: this train's affair alone.
            w.counters[C_GSO_REFUSED] += 1
            send_cut(w, sender, train)
            i += 1
        elif train.count > 1 and (errno == EINVAL or errno == EIO or errno == EOPNOTSUPP):
            # Refused as a train. If its packets then go one by one, the kernel or the device does not segment, and is not
            # asked again; else the address is none.
            w.counters[C_GSO_REFUSED] += 1
            if send_cut(w, sender, train):
                sender.segments = 0
            i += 1
        elif errno == EAGAIN or errno == ENOBUFS:
            # The socket's buffer is full, and waiting would delay everybody: the rest of the batch is lost.
            while i < n:
                w.counters[C_DROP_SEND_FULL] += sender.trains[i].count
                i += 1
        else:
            w.counters[C_DROP_SEND_ERROR] += train.count
            i += 1
    sender.n = 0
    sender.used = 0
    # A big batch takes its time: what comes now leaves that much later.
    w.leaving_ns = now_ns()


cdef inline uint32_t leading(Sender *sender, uint32_t i, uint32_t n) noexcept nogil:
    """How many messages from `i` on can go by one call: all, or without segmentation the single packets."""
    cdef uint32_t end = i
    if sender.segments:
        return n - i
    while end < n and sender.trains[end].count == 1:
        end += 1
    return end - i


cdef bint send_cut(Worker *w, Sender *sender, Train *train) noexcept nogil:
    """A train as single datagrams, for kernels without UDP_SEGMENT. False if some could not be sent so either."""
    cdef uint32_t at = 0
    cdef uint32_t size
    cdef bint whole = True
    while at < train.bytes:
        size = min(train.segment, train.bytes - at)
        if sendto(
            sender.fd, sender.arena + train.at + at, size, MSG_DONTWAIT, <sockaddr *>&train.peer.remote, train.peer.remote_size
        ) < 0:
            w.counters[C_DROP_SEND_FULL if errno == EAGAIN or errno == ENOBUFS else C_DROP_SEND_ERROR] += 1
            whole = False
        else:
            w.counters[C_SENT] += 1
            w.counters[C_SENT_BYTES] += size
        at += size
    return whole


cdef void flush_all(Worker *w) noexcept nogil:
    """Send what every socket has queued: the end of a batch."""
    cdef uint32_t i
    for i in range(w.n_sockets):
        if w.senders[i].n:
            flush(w, &w.senders[i])


cdef void fan(Worker *w, Publication *p, Subscription *s) noexcept nogil:
    """One publication's batch to one subscription."""
    cdef Peer *peer = s.peer
    cdef Packet *packet
    cdef uint32_t i
    cdef uint16_t seq
    cdef SubscriptionConfig *config = s.config
    if peer.srtp_out == NULL or peer.remote_size == 0:
        w.counters[C_DROP_NOT_READY] += p.n_batch
        return
    for i in range(p.n_batch):
        packet = p.batch[i]
        if packet.payload_size == 0 or not config.taken[packet.format]:
            if packet.payload_size:
                w.counters[C_DROP_NO_CODEC] += 1
            if s.source == p.source:
                seqmap_skip(&s.seqmap, packet.seq)
            continue
        if s.source != p.source:
            if p.kind == KIND_VIDEO and not packet.keyframe:
                w.counters[C_DROP_AWAITING_KEYFRAME] += 1
                request_key(w, p)
                continue
            switch_source(w, p, s, packet)
        if not seqmap_map(&s.seqmap, packet.seq, &seq):
            w.counters[C_DROP_LATE] += 1
            continue
        if append(w, s, packet, config.pt[packet.format], s.ssrc, seq, tsmap_map(&s.tsmap, packet.ts, w.now), -1):
            s.packets += 1
            s.octets += packet.payload_size
            peer.rtx_budget = min(peer.rtx_budget + packet.payload_size, <uint64_t>RTX_BUDGET_BYTES)


cdef void switch_source(Worker *w, Publication *p, Subscription *s, Packet *first) noexcept nogil:
    """From `first` on this section carries `p`; the receiver sees one stream that goes on."""
    seqmap_switch(&s.seqmap, p.source, first.seq)
    tsmap_switch(&s.tsmap, first.ts, s.clock, w.now)
    vp8_map_switch(&s.vpmap)
    s.source = p.source
    s.flowing_slot = p.slot
    s.flowing_key = p.key


cdef void forward(Worker *w, Publication *p) noexcept nogil:
    """Hand a publication's batch to all its subscriptions and to the other workers that have some."""
    cdef Route *route = p.route
    cdef Bus *bus = p.bus
    cdef Subscription *s
    cdef uint32_t i, n
    if p.n_batch == 0:
        return
    if route != NULL:
        n = route.n_subscriptions
        for i in range(n):
            if i + 2 < n:
                prefetch(route.subscriptions[i + 2])
            if i + 1 < n:
                prefetch(route.subscriptions[i + 1].peer)
            fan(w, p, route.subscriptions[i])
        for i in range(route.n_remotes):
            hand_over(w, p, &route.remotes[i])
    if bus != NULL and bus.listeners != NULL:
        if bus.speakers.dominant.id == p.key:
            for i in range(bus.listeners.n_subscriptions):
                s = bus.listeners.subscriptions[i]
                if s.peer.owner != p.owner:
                    fan(w, p, s)
        elif bus.speakers.runner_up.id == p.key:
            # The loudest member hears the loudest other.
            for i in range(bus.listeners.n_subscriptions):
                s = bus.listeners.subscriptions[i]
                if s.peer.owner == bus.dominant_owner and s.peer.owner != p.owner:
                    fan(w, p, s)
    for i in range(p.n_batch):
        packet_drop(p.batch[i], &w.pool)
    p.n_batch = 0


cdef void hand_over(Worker *w, Publication *p, Remote *remote) noexcept nogil:
    """A batch to another worker: one counted reference a packet. A full ring drops, and says so."""
    cdef Worker *other = w.workers[remote.worker]
    cdef Cross *slot
    cdef uint32_t i
    for i in range(p.n_batch):
        slot = <Cross *>ring_reserve(&other.inbound[w.index])
        if slot == NULL:
            w.counters[C_DROP_RING_FULL] += p.n_batch - i
            break
        packet_keep(p.batch[i])
        slot.kind = CROSS_PACKET
        slot.slot = remote.slot
        slot.key = remote.key
        slot.source = p.source
        slot.packet = p.batch[i]
        ring_commit(&other.inbound[w.index])
    w.wake_others[remote.worker] = 1


cdef void wake_worker(Worker *other) noexcept nogil:
    """Make a worker look at its rings; any thread may."""
    cdef uint64_t one = 1
    if exchange_u32(&other.awake, 1) == 0:
        write(other.wake, &one, 8)


cdef void retransmit(Worker *w, Subscription *s, uint16_t out_seq) noexcept nogil:
    """Answer a NACK from the publication's history, as RTX where that was negotiated (RFC 4588)."""
    cdef Publication *p
    cdef Packet *packet
    cdef Resent *memory = &s.resent[out_seq & (RESENT - 1)]
    cdef uint32_t now_ms = <uint32_t>(w.now // 1_000_000)
    cdef uint32_t source
    cdef uint16_t seq
    cdef uint8_t rtx
    if s.peer.srtp_out == NULL or s.peer.remote_size == 0:
        return
    if not seqmap_reverse(&s.seqmap, out_seq, &seq, &source) or source != s.source:
        w.counters[C_DROP_RTX_UNKNOWN] += 1
        return
    p = w.publications[s.flowing_slot]
    if p == NULL or p.key != s.flowing_key or p.source != source:
        w.counters[C_DROP_RTX_UNKNOWN] += 1
        return
    packet = history_get(&p.history, seq)
    if packet == NULL or packet.payload_size == 0:
        w.counters[C_DROP_RTX_UNKNOWN] += 1
        return
    if memory.valid and memory.seq == out_seq and now_ms - memory.at_ms < RTX_QUIET_MS:
        w.counters[C_DROP_RTX_REPEATED] += 1
        return
    if s.peer.rtx_budget < packet.payload_size:
        w.counters[C_DROP_RTX_BUDGET] += 1
        return
    rtx = s.config.rtx[packet.format]
    if rtx == 0 or s.rtx_ssrc == 0:
        # Sent again under its own number it would be a replay to SRTP; without RTX there is no answer.
        w.counters[C_DROP_RTX_UNKNOWN] += 1
        return
    memory.valid = 1
    memory.seq = out_seq
    memory.at_ms = now_ms
    if append(w, s, packet, rtx, s.rtx_ssrc, s.rtx_seq, packet.ts + s.tsmap.offset, out_seq):
        s.rtx_seq += 1
        s.retransmitted += 1
        s.peer.rtx_budget -= packet.payload_size
        w.counters[C_RTX_SENT] += 1


cdef void send_rtcp(Worker *w, Peer *peer, uint8_t *packet, int size) noexcept nogil:
    """Encrypt (in place, SRTP_TRAILER bytes of room behind) and send one RTCP packet at once."""
    if peer.srtp_out == NULL or peer.remote_size == 0:
        return
    if w.protect_rtcp(peer.srtp_out, packet, &size) != SRTP_OK:
        w.counters[C_DROP_PROTECT] += 1
        return
    if sendto(w.sockets[peer.sock], packet, size, MSG_DONTWAIT, <sockaddr *>&peer.remote, peer.remote_size) < 0:
        w.counters[C_DROP_SEND_FULL if errno == EAGAIN or errno == ENOBUFS else C_DROP_SEND_ERROR] += 1
        return
    w.counters[C_RTCP_SENT] += 1
    peer.bytes_out += size


cdef void request_key(Worker *w, Publication *p) noexcept nogil:
    """A subscriber needs a key frame: ask at once, or when the last request is old enough. Sound has none."""
    if p.kind != KIND_VIDEO or p.cut:
        return  # of a cut picture nobody would see it
    p.key_wanted = 1
    send_pending_key_request(w, p)


cdef void send_pending_key_request(Worker *w, Publication *p) noexcept nogil:
    cdef Cross *slot
    cdef Worker *origin
    cdef int size
    if not p.key_wanted or (p.last_key_request_ns and w.now - p.last_key_request_ns < KEY_REQUEST_NS):
        return
    if p.is_mirror:
        origin = w.workers[p.origin_worker]
        slot = <Cross *>ring_reserve(&origin.inbound[w.index])
        if slot == NULL:
            return  # asked again by the next packet that cannot be shown
        slot.kind = CROSS_KEY_REQUEST
        slot.slot = p.origin_slot
        slot.key = p.origin_key
        ring_commit(&origin.inbound[w.index])
        w.wake_others[p.origin_worker] = 1
    elif p.peer != NULL and p.ssrc:
        size = rtcp_put_pli(w.scratch, sizeof(w.scratch), p.peer.feedback_ssrc, p.ssrc)
        send_rtcp(w, p.peer, w.scratch, size)
        w.counters[C_KEYFRAME_REQUESTS] += 1
        p.key_requests += 1
    else:
        return
    p.key_wanted = 0
    p.last_key_request_ns = w.now
