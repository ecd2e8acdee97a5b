"""What reaches a worker; ingress.pxd states the rules."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from native.codecs cimport is_keyframe_start
from native.consent cimport consent_answered
from native.crypto cimport SRTP_OK, SRTP_REPLAY_FAIL, SRTP_REPLAY_OLD
from native.egress cimport flush_all, forward, request_key
from native.feedback cimport rtcp_arrived, set_clock
from native.history cimport history_clear, history_put, history_trim
from native.notice cimport post_datagram
from native.os cimport (
    AF_INET, AF_INET6, MSG_DONTWAIT, MSG_TRUNC, get_segment, mmsghdr, recvmmsg, sockaddr_in, sockaddr_in6,
    sockaddr_storage,
)
from native.picture cimport picture_size
from native.pool cimport MAX_ELEMENTS, PACKET_BYTES, Packet, packet_drop, packet_keep, pool_take
from native.reception cimport (
    ARRIVED_DUPLICATE, ARRIVED_JUMP, ARRIVED_RESET, reception_init, reception_packet, reception_recovered,
)
from native.ring cimport ring_peek, ring_release
from native.rtp cimport (
    EXT_LEVEL, EXT_MID, EXT_ORIENTATION, EXT_TWCC, ExtElement, RtpView, get_u16, rtp_element, rtp_header,
    rtp_payload,
)
from native.speaker cimport (
    SPEAKER_DOMINANT_CHANGED, level_packet, level_unmeasured, speakers_consider,
)
from native.state cimport (
    BATCH, C_DROP_DTLS_UNVALIDATED, C_DROP_DUPLICATE, C_DROP_EXTENSION_MALFORMED, C_DROP_GARBAGE, C_DROP_MUTED,
    C_DROP_NO_KEYS, C_DROP_OVERSIZED, C_DROP_PADDING_MALFORMED, C_DROP_POOL_FULL, C_DROP_RTP_MALFORMED, C_DROP_RTX_PROBE, C_DROP_SEQUENCE_JUMP,
    C_DROP_SRTP_AUTH, C_DROP_SRTP_OLD, C_DROP_SRTP_REPLAY, C_DROP_SSRC_LIMIT, C_DROP_STALE_ROUTE, C_DROP_TRUNCATED,
    C_DROP_UNKNOWN_ADDRESS, C_DROP_UNKNOWN_PAYLOAD, C_DROP_UNKNOWN_SSRC, C_RECEIVED, C_RTX_RECEIVED, CROSS_CLOCK,
    CROSS_KEY_REQUEST, CROSS_PACKET, KIND_AUDIO, KIND_VIDEO, MAX_INCOMING, MAX_LEARNED, MAX_PUBLICATIONS, NO_LEVEL, NO_SECTION,
    NOTICE_DTLS, NOTICE_STUN, RECEIVE_CONTROL_BYTES, RECEIVE_MESSAGES, Address, Bus, Cross,
    Incoming, PayloadType, Peer, PeerConfig, Publication, Receiver,
)
from native.table cimport address_equal, address_find
from native.twcc cimport twcc_arrived

cdef enum:
    HISTORY_SHORT_NS = 300_000_000  # what a stream keeps when memory is at its ceiling
    ROUNDS = 4  # receive calls on one socket before the others have their turn


cdef void read_address(sockaddr_storage *name, int sock, Address *out) noexcept nogil:
    cdef sockaddr_in *four = <sockaddr_in *>name
    cdef sockaddr_in6 *six = <sockaddr_in6 *>name
    memset(out, 0, sizeof(Address))
    out.sock = <uint8_t>sock
    if name.ss_family == AF_INET:
        out.family = 4
        memcpy(out.ip + 12, &four.sin_addr, 4)
        out.port = get_u16(<uint8_t *>&four.sin_port)
    elif name.ss_family == AF_INET6:
        out.family = 6
        memcpy(out.ip, &six.sin6_addr, 16)
        out.port = get_u16(<uint8_t *>&six.sin6_port)


cdef void receive(Worker *w, int sock) noexcept nogil:
    """Take what a socket has, in batches, and forward each batch before the next is taken."""
    cdef Receiver *r = &w.receiver
    cdef mmsghdr *message
    cdef Address address
    cdef uint8_t *data
    cdef int round, i, n, size, segment, part
    for round in range(ROUNDS):
        for i in range(RECEIVE_MESSAGES):
            r.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage)
            r.messages[i].msg_hdr.msg_controllen = RECEIVE_CONTROL_BYTES
        n = recvmmsg(w.sockets[sock], r.messages, RECEIVE_MESSAGES, MSG_DONTWAIT, NULL)
        if n <= 0:
            return
        for i in range(n):
            message = &r.messages[i]
            data = <uint8_t *>r.vectors[i].iov_base
            size = <int>message.msg_len
            if message.msg_hdr.msg_flags & MSG_TRUNC:
                w.counters[C_DROP_TRUNCATED] += 1
                continue
            segment = get_segment(&message.msg_hdr)
            if segment <= 0:
                segment = size
            read_address(&r.names[i], sock, &address)
            if w.last_peer == NULL or not address_equal(&address, &w.last_address):
                w.last_peer = address_find(&w.addresses, &address)
                w.last_address = address
            if size == 0:
                w.counters[C_DROP_GARBAGE] += 1
            while size > 0:
                part = min(size, segment)
                datagram(w, &address, w.last_peer, data, part)
                data += part
                size -= part
        forward_work(w)
        if n < RECEIVE_MESSAGES:
            return


cdef void datagram(Worker *w, Address *address, Peer *peer, uint8_t *data, int size) noexcept nogil:
    """One datagram, by its first byte (RFC 7983)."""
    cdef uint8_t first = data[0]
    w.counters[C_RECEIVED] += 1
    if size > PACKET_BYTES:
        w.counters[C_DROP_OVERSIZED] += 1
    elif first < 4:
        if size < 20 or size & 3:
            w.counters[C_DROP_GARBAGE] += 1
        elif peer == NULL or not consent_answered(w, peer, address, data, size):
            post_datagram(w, NOTICE_STUN, address, peer != NULL, 0 if peer == NULL else peer.slot, data, size)
    elif 20 <= first <= 63:
        if peer == NULL:
            # Before a connectivity check has passed, a handshake message may be anybody's.
            w.counters[C_DROP_DTLS_UNVALIDATED] += 1
        else:
            post_datagram(w, NOTICE_DTLS, address, True, peer.slot, data, size)
    elif 128 <= first <= 191:
        if peer == NULL:
            w.counters[C_DROP_UNKNOWN_ADDRESS] += 1
        elif peer.srtp_in == NULL:
            w.counters[C_DROP_NO_KEYS] += 1
        elif size < 12:
            w.counters[C_DROP_GARBAGE] += 1
        elif 192 <= data[1] <= 223:
            rtcp_arrived(w, peer, data, size)
        else:
            rtp_arrived(w, peer, data, size)
    else:
        w.counters[C_DROP_GARBAGE] += 1


cdef inline Incoming *incoming_of(Peer *peer, uint32_t ssrc) noexcept nogil:
    cdef uint32_t i
    for i in range(peer.n_incoming):
        if peer.incoming[i].ssrc == ssrc:
            return &peer.incoming[i]
    return NULL


cdef struct Said:
    # What the header extensions of a packet say to us.
    uint8_t level  # RFC 6464, NO_LEVEL if they do not say
    uint8_t voice
    int mid_at
    int mid_size


cdef void rtp_arrived(Worker *w, Peer *peer, uint8_t *data, int size) noexcept nogil:
    """One SRTP packet of a peer with keys: authenticate, bind, number, store."""
    cdef RtpView view
    cdef Said said
    cdef Publication *p
    cdef PayloadType *type
    cdef Incoming *incoming
    if rtp_header(data, size, &view) != 0:
        w.counters[C_DROP_RTP_MALFORMED] += 1
        return
    incoming = incoming_of(peer, view.ssrc)
    if not authenticated(w, peer, data, &size, incoming == NULL):
        return
    if rtp_payload(data, size, &view) != 0:
        w.counters[C_DROP_PADDING_MALFORMED] += 1
        return
    peer.packets_in += 1
    peer.bytes_in += size
    if not read_extensions(w, peer, data, &view, &said):
        w.counters[C_DROP_EXTENSION_MALFORMED] += 1
        return
    type = &peer.config.payload_types[view.pt]
    if incoming == NULL:
        incoming = learn(peer, &view, type, data + said.mid_at, said.mid_size)
    p = incoming.publication
    if p == NULL:
        w.counters[C_DROP_UNKNOWN_SSRC] += 1
        return
    if not type.known or (type.rtx_of != 0) != incoming.is_rtx:
        w.counters[C_DROP_UNKNOWN_PAYLOAD] += 1
        return
    w.last_media_ns = w.now
    if incoming.is_rtx:
        if not repaired(w, p, data, &view):
            return
        type = &peer.config.payload_types[type.rtx_of]
    elif not accepted(w, p, &view, size):
        return
    store(w, p, peer.config, type, &view, &said, data, size)


cdef bint authenticated(Worker *w, Peer *peer, uint8_t *data, int *size, bint new) noexcept nogil:
    """Decrypt in place, and make `size` that of the plain packet."""
    cdef int status
    if new and (peer.n_incoming == MAX_INCOMING or peer.n_learned == MAX_LEARNED):
        # libsrtp keeps state for each SSRC it has authenticated, so the bound must come first.
        w.counters[C_DROP_SSRC_LIMIT] += 1
        return False
    status = w.unprotect(peer.srtp_in, data, size)
    if status != SRTP_OK:
        w.counters[
            C_DROP_SRTP_REPLAY if status == SRTP_REPLAY_FAIL
            else C_DROP_SRTP_OLD if status == SRTP_REPLAY_OLD
            else C_DROP_SRTP_AUTH
        ] += 1
        return False
    peer.n_learned += new
    return True


cdef bint read_extensions(Worker *w, Peer *peer, uint8_t *data, RtpView *view, Said *said) noexcept nogil:
    """Act upon the extensions that are for us; False if they are malformed."""
    cdef ExtElement element
    cdef int cursor = view.ext_at
    cdef int status, kind
    said.level = NO_LEVEL
    said.voice = 0
    said.mid_at = said.mid_size = 0
    while True:
        status = rtp_element(data, view, &cursor, &element)
        if status <= 0:
            return status == 0
        kind = peer.config.ext_in[element.id]
        if kind == EXT_TWCC and element.size >= 2:
            twcc_arrived(&peer.twcc, get_u16(data + element.at), w.now)
        elif kind == EXT_LEVEL and element.size:
            said.level = data[element.at] & 0x7F
            said.voice = data[element.at] >> 7
        elif kind == EXT_MID:
            said.mid_at = element.at
            said.mid_size = element.size


cdef bint repaired(Worker *w, Publication *p, uint8_t *data, RtpView *view) noexcept nogil:
    """A packet of the RTX stream: turn the view into that of the original (RFC 4588 4). True if that was missing."""
    w.counters[C_RTX_RECEIVED] += 1
    if p.ssrc == 0 or view.payload_size <= 2:
        # Nothing to repair yet; or padding alone, by which the sender measures the way.
        w.counters[C_DROP_RTX_PROBE] += 1
        return False
    view.seq = get_u16(data + view.payload_at)
    view.payload_at += 2
    view.payload_size -= 2
    if not reception_recovered(&p.reception, view.seq):
        w.counters[C_DROP_DUPLICATE] += 1
        return False
    if p.cut or p.muted:
        w.counters[C_DROP_MUTED] += 1
        return False
    p.recovered += 1
    return True


cdef bint accepted(Worker *w, Publication *p, RtpView *view, int size) noexcept nogil:
    """A packet of the stream itself: note its arrival. True if it is new and to be forwarded."""
    cdef int status
    if p.ssrc != view.ssrc:
        begin_source(w, p, view.ssrc)
    status = reception_packet(&p.reception, view.seq, view.ts, w.now)
    if status == ARRIVED_DUPLICATE or status == ARRIVED_JUMP:
        w.counters[C_DROP_DUPLICATE if status == ARRIVED_DUPLICATE else C_DROP_SEQUENCE_JUMP] += 1
        return False
    if status == ARRIVED_RESET:
        new_source(w, p)
    if p.cut:
        # Not before its arrival was noted: what was sent while muted must not be asked for later.
        p.muted = 1
        w.counters[C_DROP_MUTED] += 1
        return False
    if p.muted:
        # Subscribers do not miss what was left out: for them another source begins, pictures with a key frame.
        p.muted = 0
        new_source(w, p)
    p.packets += 1
    p.bytes += size
    p.last_packet_ns = w.now
    if p.first_packet_ns == 0:
        p.first_packet_ns = w.now
    if not p.clock_reported:
        clock_by_arrival(w, p, view.ts)
    return True


cdef void store(
    Worker *w, Publication *p, PeerConfig *config, PayloadType *type, RtpView *view, Said *said, uint8_t *data, int size
) noexcept nogil:
    """Into a slab, with what subscribers' packets are made from; then it is published."""
    cdef Packet *packet = pool_take(&w.pool)
    if packet == NULL and w.now > HISTORY_SHORT_NS:
        # At the ceiling what is new counts for more than what might be asked for again.
        history_trim(&p.history, w.now - HISTORY_SHORT_NS, &w.pool)
        packet = pool_take(&w.pool)
    if packet == NULL:
        w.counters[C_DROP_POOL_FULL] += 1
        return
    packet.ts = view.ts
    packet.seq = view.seq
    packet.arrived_ns = w.now
    packet.size = <uint16_t>size
    packet.payload_at = <uint16_t>view.payload_at
    packet.payload_size = <uint16_t>view.payload_size
    packet.format = type.format
    packet.marker = view.marker
    packet.codec = type.codec
    packet.level = said.level
    packet.voice = said.voice
    memcpy(packet.data, data, size)
    packet.keyframe = (
        1 if view.payload_size > 0 and is_keyframe_start(type.codec, data + view.payload_at, view.payload_size) else 0
    )
    note_elements(packet, view, config)
    if packet.keyframe and p.kind == KIND_VIDEO:
        if p.keyframes == 0:
            p.first_keyframe_ns = w.now
        p.keyframes += 1
        p.key_wanted = 0
        picture_size(packet.codec, packet.data + packet.payload_at, packet.payload_size, &p.width, &p.height)
    publish(w, p, packet)


cdef void note_elements(Packet *packet, RtpView *view, PeerConfig *config) noexcept nogil:
    """Remember where the extensions are that subscribers get too."""
    cdef ExtElement element
    cdef int cursor = view.ext_at
    cdef int kind
    packet.n_elements = 0
    while rtp_element(packet.data, view, &cursor, &element) == 1:
        kind = config.ext_in[element.id]
        if kind >= EXT_ORIENTATION and element.size and packet.n_elements < MAX_ELEMENTS:
            packet.elements[packet.n_elements].kind = <uint8_t>kind
            packet.elements[packet.n_elements].at = <uint16_t>element.at
            packet.elements[packet.n_elements].size = <uint8_t>element.size
            packet.n_elements += 1


cdef Incoming *learn(Peer *peer, RtpView *view, PayloadType *type, uint8_t *mid, int mid_size) noexcept nogil:
    """Bind a new, authentic SSRC to a section, or to none: either way it takes one of MAX_INCOMING places."""
    cdef PeerConfig *config = peer.config
    cdef Incoming *incoming = &peer.incoming[peer.n_incoming]
    cdef uint32_t i
    cdef int section = NO_SECTION
    peer.n_incoming += 1
    incoming.ssrc = view.ssrc
    incoming.is_rtx = 1 if type.known and type.rtx_of else 0
    incoming.publication = NULL
    for i in range(config.n_ssrcs):
        if config.ssrcs[i].ssrc == view.ssrc:
            section = config.ssrcs[i].section
            incoming.is_rtx = config.ssrcs[i].is_rtx
            break
    if section == NO_SECTION and mid_size:
        for i in range(config.n_sections):
            if config.sections[i].mid_size == mid_size and memcmp(config.sections[i].mid, mid, mid_size) == 0:
                section = i
                break
    if section == NO_SECTION and type.known and not mid_size:
        section = type.section
    if section != NO_SECTION and section < config.n_sections:
        incoming.publication = config.sections[section].publication
    return incoming


cdef void begin_source(Worker *w, Publication *p, uint32_t ssrc) noexcept nogil:
    """A publication's stream begins, or begins anew under another SSRC.

    Stragglers of the old one are nobody's from here on: each would throw everybody back and forth.
    """
    cdef uint32_t i
    if p.ssrc:
        for i in range(p.peer.n_incoming):
            if p.peer.incoming[i].ssrc != ssrc and p.peer.incoming[i].publication == p:
                p.peer.incoming[i].publication = NULL
    p.ssrc = ssrc
    reception_init(&p.reception, p.clock)
    new_source(w, p)


cdef void new_source(Worker *w, Publication *p) noexcept nogil:
    """Numbering starts over: subscriptions see another source and switch to it without a gap."""
    forward(w, p)
    history_clear(&p.history, &w.pool)
    p.clock_known = 0
    p.clock_reported = 0
    w.next_source += 1
    p.source = w.next_source * w.n_workers + w.index


cdef void clock_by_arrival(Worker *w, Publication *p, uint32_t ts) noexcept nogil:
    """Before the first sender report: the packet that came soonest after its time tells the time."""
    cdef int ahead  # in clock units: the packet came earlier than the one that tells the time so far
    cdef long expected
    if p.clock_known:
        expected = <long>p.clock_ns + <long>(<int>(ts - p.clock_ts)) * 1_000_000_000 // <long>p.clock
        if <long>w.now >= expected:
            return
    set_clock(w, p, ts, w.now)


cdef void publish(Worker *w, Publication *p, Packet *packet) noexcept nogil:
    """Into the history, into the room's audio, into this round's work. Takes over the caller's reference."""
    packet_keep(packet)  # the batch's own: the history may give its up at any time
    history_put(&p.history, packet, &w.pool)
    if p.kind == KIND_AUDIO and p.bus != NULL:
        if packet.level == NO_LEVEL:
            level_unmeasured(&p.level, w.now)
        else:
            level_packet(&p.level, packet.level, packet.voice, w.now)
        if speakers_consider(&p.bus.speakers, p.key, &p.level, w.now) & SPEAKER_DOMINANT_CHANGED:
            name_dominant(w, p.bus)
    p.batch[p.n_batch] = packet
    p.n_batch += 1
    if p.n_batch == BATCH:
        forward(w, p)
    elif not p.in_work:
        p.in_work = 1
        w.work[w.n_work] = p
        w.n_work += 1


cdef void name_dominant(Worker *w, Bus *bus) noexcept nogil:
    """Whose the loudest publication is, for the rule that nobody hears itself."""
    cdef uint32_t i
    bus.dominant_owner = 0
    for i in range(w.n_publications):
        if w.publications[i] != NULL and w.publications[i].key == bus.speakers.dominant.id:
            bus.dominant_owner = w.publications[i].owner
            return


cdef void forward_work(Worker *w) noexcept nogil:
    """The end of a batch: everything that arrived goes out."""
    cdef uint32_t i
    for i in range(w.n_work):
        w.work[i].in_work = 0
        forward(w, w.work[i])
    w.n_work = 0
    flush_all(w)


cdef void arrive_from_others(Worker *w) noexcept nogil:
    """Packets, clocks and requests that other workers handed over."""
    cdef uint32_t from_worker
    cdef Cross *cross
    cdef Publication *p
    for from_worker in range(w.n_workers):
        if from_worker == w.index:
            continue
        while True:
            cross = <Cross *>ring_peek(&w.inbound[from_worker])
            if cross == NULL:
                break
            p = w.publications[cross.slot] if cross.slot < MAX_PUBLICATIONS else NULL
            if p == NULL or p.key != cross.key:
                # Closed meanwhile.
                w.counters[C_DROP_STALE_ROUTE] += 1
                if cross.kind == CROSS_PACKET:
                    packet_drop(cross.packet, &w.pool)
            elif cross.kind == CROSS_PACKET and p.cut:
                # Sent before its worker had heard of the cut.
                w.counters[C_DROP_MUTED] += 1
                packet_drop(cross.packet, &w.pool)
            elif cross.kind == CROSS_PACKET:
                w.last_media_ns = w.now
                if p.source != cross.source:
                    forward(w, p)
                    history_clear(&p.history, &w.pool)
                    p.source = cross.source
                    p.clock_known = 0
                if not p.clock_known:
                    p.clock_ts = cross.packet.ts
                    p.clock_ns = cross.packet.arrived_ns
                    p.clock_known = 1
                p.packets += 1
                p.bytes += cross.packet.size
                p.last_packet_ns = w.now
                if cross.packet.keyframe and p.kind == KIND_VIDEO:
                    p.key_wanted = 0
                    picture_size(
                        cross.packet.codec, cross.packet.data + cross.packet.payload_at, cross.packet.payload_size,
                        &p.width, &p.height,
                    )
                publish(w, p, cross.packet)
            elif cross.kind == CROSS_CLOCK:
                p.clock_ts = cross.clock_ts
                p.clock_ns = cross.clock_ns
                p.clock_known = 1
            elif cross.kind == CROSS_KEY_REQUEST:
                request_key(w, p)
            ring_release(&w.inbound[from_worker])
    forward_work(w)
