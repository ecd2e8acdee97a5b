"""RTCP of a worker; feedback.pxd states the rules."""

from libc.stdint cimport int64_t, uint16_t, uint64_t

from native.crypto cimport SRTP_OK
from native.departures cimport FEEDBACK_MALFORMED, FEEDBACK_STALE, departures_feedback
from native.egress cimport flush_all, request_key, retransmit, send_pending_key_request, send_rtcp
from native.history cimport history_trim
from native.notice cimport begin_levels, end_levels, post_small, put_level
from native.reception cimport (
    reception_deadline, reception_nacks, reception_report, reception_sender_report,
)
from native.ring cimport ring_commit, ring_reserve
from native.rtcp cimport (
    RTCP_KIND_BYE, RTCP_KIND_FIR, RTCP_KIND_NACK, RTCP_KIND_PLI, RTCP_KIND_RR, RTCP_KIND_SR, RTCP_KIND_TWCC,
    ReportBlock, RtcpView, SenderInfo,
    rtcp_begin, rtcp_block, rtcp_bye, rtcp_fir, rtcp_fir_count, rtcp_kind, rtcp_media_ssrc, rtcp_nack, rtcp_nack_count,
    rtcp_next, rtcp_put_cname, rtcp_put_nack, rtcp_put_rr, rtcp_put_sr, rtcp_sr,
)
from native.rtp cimport get_u32
from native.speaker cimport level_news, speakers_speaking
from native.state cimport (
    KIND_VIDEO, NOTICE_ALLOCATIONS, NOTICE_RATE, Allocation,
    C_DROP_RING_FULL, C_DROP_RTCP_AUTH, C_DROP_RTCP_MALFORMED, C_DROP_RTCP_UNKNOWN_SSRC, C_RTCP_IGNORED, C_DROP_SSRC_LIMIT, C_NACKS_SENT, C_RTCP_RECEIVED,
    CROSS_CLOCK, KIND_AUDIO, MAX_INCOMING, MAX_SECTIONS,
    NOTICE_SPEAKER, Bus, Cross, Notice, Route, Subscription,
)
from native.twcc cimport twcc_due, twcc_feedback

cdef enum:
    REPORT_NS = 1_000_000_000
    NEWS_NS = 1_000_000_000         # a receiver's rate is told no oftener
    MEDIA_TIME_S = 1_000_000        # 12 days: a sender's clock may say anything
    TURN_NS = 10_000_000            # sender reports are spread over a second: each turn serves one slot in TURNS
    TURNS = 100
    NTP_EPOCH_S = 2208988800        # 1900 to 1970
    TRIM_NS = 500_000_000
    HISTORY_NS = 2_000_000_000      # nobody asks for what is older
    FEEDBACK_BYTES = 1100           # one RTCP datagram, its SRTP trailer not counted
    NACK_PAIRS = 64
    LEVELS_NS = 200_000_000         # how loud somebody is is told no oftener
    CLOCK_STEP_NS = 1_000_000_000   # so much at once is a clock that was set
    MEASURE_MIN_NS = 500_000_000    # a shorter time is no measure of a rate …
    MEASURE_MAX_NS = 2_000_000_000  # … and after a longer one it begins anew
    STILL = 2                       # seconds without a packet, and nothing is allocated any more
    CLOCK_DRIFT_SHIFT = 6           # a delay above the smallest seen counts for a 64th: drift, not queueing


cdef void rtcp_arrived(Worker *w, Peer *peer, uint8_t *data, int size) noexcept nogil:
    """One SRTCP datagram of a peer: authenticate, check as a whole, act upon each packet of it."""
    cdef RtcpView view
    cdef bint known
    cdef int kind, i
    # RFC 3711 3.4: the E bit. libsrtp takes an authenticated packet that was not encrypted; we do not.
    cdef int trailer = peer.rtcp_trailer
    if size < 8 + trailer or not data[size - peer.rtcp_index_at] & 0x80:
        w.counters[C_DROP_RTCP_MALFORMED] += 1
        return
    known = reporter_known(peer, get_u32(data + 4))
    if not known and peer.n_reporters == MAX_INCOMING:
        # libsrtp keeps state for each SSRC it has authenticated, here too.
        w.counters[C_DROP_SSRC_LIMIT] += 1
        return
    if w.unprotect_rtcp(peer.srtp_in, data, &size) != SRTP_OK:
        w.counters[C_DROP_RTCP_AUTH] += 1
        return
    if not known:
        peer.reporters[peer.n_reporters] = get_u32(data + 4)
        peer.n_reporters += 1
    if rtcp_begin(&view, data, size) != 0:
        w.counters[C_DROP_RTCP_MALFORMED] += 1
        return
    w.counters[C_RTCP_RECEIVED] += 1
    while rtcp_next(&view) == 1:
        kind = rtcp_kind(&view)
        if kind < 0:
            w.counters[C_DROP_RTCP_MALFORMED] += 1
        elif kind == RTCP_KIND_SR:
            sender_report(w, peer, &view)
            reports(w, peer, &view)
        elif kind == RTCP_KIND_RR:
            reports(w, peer, &view)
        elif kind == RTCP_KIND_NACK:
            nacks(w, peer, &view)
        elif kind == RTCP_KIND_PLI:
            key_frame_asked(w, peer, rtcp_media_ssrc(&view))
        elif kind == RTCP_KIND_FIR:
            firs(w, peer, &view)
        elif kind == RTCP_KIND_BYE:
            byes(w, peer, &view)
        elif kind == RTCP_KIND_TWCC:
            arrivals(w, peer, &view)
        else:
            w.counters[C_RTCP_IGNORED] += 1


cdef inline bint reporter_known(Peer *peer, uint32_t ssrc) noexcept nogil:
    cdef uint32_t i
    for i in range(peer.n_incoming):
        if peer.incoming[i].ssrc == ssrc:
            return True
    for i in range(peer.n_reporters):
        if peer.reporters[i] == ssrc:
            return True
    return False


cdef inline Subscription *subscription_of(Peer *peer, uint32_t ssrc) noexcept nogil:
    cdef Subscription *s = peer.subscriptions
    while s != NULL and s.ssrc != ssrc:
        s = s.next
    return s


cdef inline Publication *publication_of(Peer *peer, uint32_t ssrc) noexcept nogil:
    cdef uint32_t i
    for i in range(peer.n_publications):
        if peer.publications[i].ssrc == ssrc:
            return peer.publications[i]
    return NULL


cdef inline Publication *flowing(Worker *w, Subscription *s) noexcept nogil:
    cdef Publication *p = w.publications[s.flowing_slot]
    if s.source == 0 or s.config.silent or p == NULL or p.key != s.flowing_key:
        return NULL
    return p


cdef void key_frame_asked(Worker *w, Peer *peer, uint32_t ssrc) noexcept nogil:
    cdef Subscription *s = subscription_of(peer, ssrc)
    cdef Publication *p
    if s == NULL:
        w.counters[C_DROP_RTCP_UNKNOWN_SSRC] += 1
        return
    p = flowing(w, s)
    if p != NULL:
        request_key(w, p)


cdef void firs(Worker *w, Peer *peer, RtcpView *view) noexcept nogil:
    cdef uint32_t ssrc
    cdef uint8_t number
    cdef int i
    for i in range(rtcp_fir_count(view)):
        if rtcp_fir(view, i, &ssrc, &number) == 0:
            key_frame_asked(w, peer, ssrc)


cdef void nacks(Worker *w, Peer *peer, RtcpView *view) noexcept nogil:
    cdef Subscription *s = subscription_of(peer, rtcp_media_ssrc(view))
    cdef uint16_t pid = 0
    cdef uint16_t blp = 0
    cdef int i, bit
    if s == NULL:
        w.counters[C_DROP_RTCP_UNKNOWN_SSRC] += 1
        return
    for i in range(rtcp_nack_count(view)):
        if rtcp_nack(view, i, &pid, &blp) != 0:
            break
        s.nacked += 1
        retransmit(w, s, pid)
        for bit in range(16):
            if blp >> bit & 1:
                s.nacked += 1
                retransmit(w, s, <uint16_t>(pid + bit + 1))
    flush_all(w)


cdef void reports(Worker *w, Peer *peer, RtcpView *view) noexcept nogil:
    """Report blocks about what we send: loss, jitter, and by LSR and DLSR the round trip (RFC 3550 6.4.1)."""
    cdef ReportBlock block
    cdef Subscription *s
    cdef uint32_t now = ntp_middle(w)
    cdef uint32_t rtt
    cdef int i
    for i in range(view.count):
        if rtcp_block(view, i, &block) != 0:
            return
        s = subscription_of(peer, block.ssrc)
        if s == NULL:
            continue
        s.lost_fraction = block.fraction_lost
        s.lost_total = <uint32_t>max(block.cumulative_lost, 0)
        s.jitter = block.jitter
        if block.lsr:
            rtt = now - block.lsr - block.dlsr
            if rtt >> 31 == 0:
                s.rtt_us = <uint32_t>((<uint64_t>rtt * 1_000_000) >> 16)


cdef void arrivals(Worker *w, Peer *peer, RtcpView *view) noexcept nogil:
    """Transport-wide feedback about what we send: the estimate of the way down moves."""
    cdef int heard = departures_feedback(&peer.departures, &peer.estimator, view.body, view.body_size, w.now)
    if heard == FEEDBACK_MALFORMED:
        w.counters[C_DROP_RTCP_MALFORMED] += 1
    elif heard == FEEDBACK_STALE:
        w.counters[C_RTCP_IGNORED] += 1
    tell_rate(w, peer)


cdef void tell_rate(Worker *w, Peer *peer) noexcept nogil:
    """A tenth of change is news, once a second."""
    cdef int64_t rate = peer.estimator.rate_bps
    cdef int64_t told = peer.rate_told
    if not peer.estimator.measured or (told and w.now - peer.rate_told_ns < NEWS_NS):
        return
    if 10 * (rate - told) < told and 10 * (told - rate) < told:
        return
    peer.rate_told = <uint32_t>rate
    if post_small(w, NOTICE_RATE, peer.slot, 0):
        peer.rate_told_ns = w.now
    else:
        peer.rate_told = <uint32_t>told


cdef inline uint64_t ntp_now(Worker *w) noexcept nogil:
    """The server's clock as an NTP timestamp, 32.32 bits (RFC 3550 4)."""
    cdef uint64_t wall = w.now + w.wall_offset
    cdef uint64_t fraction = ((wall % 1_000_000_000) << 32) // 1_000_000_000
    return ((wall // 1_000_000_000 + <uint64_t>NTP_EPOCH_S) << 32) | fraction


cdef inline uint32_t ntp_middle(Worker *w) noexcept nogil:
    return <uint32_t>(ntp_now(w) >> 16)


cdef void sender_report(Worker *w, Peer *peer, RtcpView *view) noexcept nogil:
    """Place a publication's media time on our clock.

    All of a peer's reports are on one clock of its device, so one offset serves its sound and its picture.
    The smallest offset seen is the one with the least queueing; it may creep up, for clocks drift.
    """
    cdef SenderInfo info
    cdef Publication *p
    cdef int64_t theirs, offset
    cdef int64_t before = peer.ntp_offset_ns
    cdef uint32_t i
    if rtcp_sr(view, &info) != 0:
        return
    p = publication_of(peer, info.ssrc)
    if p == NULL:
        return
    reception_sender_report(&p.reception, info.ntp_hi, info.ntp_lo, w.now)
    if info.ntp_hi == 0 and info.ntp_lo == 0:
        return  # RFC 3550 6.4.1: it has no clock
    theirs = <int64_t>info.ntp_hi * 1_000_000_000 + <int64_t>((<uint64_t>info.ntp_lo * 1_000_000_000) >> 32)
    offset = <int64_t>w.now - theirs
    if not peer.ntp_known or offset < peer.ntp_offset_ns or offset - peer.ntp_offset_ns > CLOCK_STEP_NS:
        peer.ntp_offset_ns = offset
        peer.ntp_known = 1
    else:
        peer.ntp_offset_ns += (offset - peer.ntp_offset_ns) >> CLOCK_DRIFT_SHIFT
    for i in range(peer.n_publications):
        # What was placed by another offset moves along, so that the peer's streams stay together.
        if peer.publications[i] != p and peer.publications[i].clock_reported and peer.ntp_offset_ns != before:
            set_clock(
                w, peer.publications[i], peer.publications[i].clock_ts,
                peer.publications[i].clock_ns + <uint64_t>(peer.ntp_offset_ns - before),
            )
    p.clock_reported = 1
    set_clock(w, p, info.rtp_ts, <uint64_t>(theirs + peer.ntp_offset_ns))


cdef void set_clock(Worker *w, Publication *p, uint32_t ts, uint64_t at_ns) noexcept nogil:
    """`ts` of this publication is the moment `at_ns`; workers that mirror it learn it too."""
    cdef Route *route = p.route
    cdef Cross *slot
    cdef uint32_t i
    p.clock_ts = ts
    p.clock_ns = at_ns
    p.clock_known = 1
    if route == NULL:
        return
    for i in range(route.n_remotes):
        slot = <Cross *>ring_reserve(&w.workers[route.remotes[i].worker].inbound[w.index])
        if slot == NULL:
            w.counters[C_DROP_RING_FULL] += 1
            continue
        slot.kind = CROSS_CLOCK
        slot.slot = route.remotes[i].slot
        slot.key = route.remotes[i].key
        slot.clock_ts = ts
        slot.clock_ns = at_ns
        ring_commit(&w.workers[route.remotes[i].worker].inbound[w.index])
        w.wake_others[route.remotes[i].worker] = 1


cdef void byes(Worker *w, Peer *peer, RtcpView *view) noexcept nogil:
    """A source that says goodbye is not asked for missing packets any more (RFC 3550 6.6)."""
    cdef uint32_t ssrc
    cdef Publication *p
    cdef int i
    for i in range(view.count):
        if rtcp_bye(view, i, &ssrc) != 0:
            return
        p = publication_of(peer, ssrc)
        if p != NULL:
            p.reception.missing_count = 0
            p.reception.nack_at = <uint64_t>-1


cdef void tick(Worker *w) noexcept nogil:
    """While media flow, each 10 to 20 ms: what publishers are told when it is due, each subscriber's turn, and news."""
    cdef uint32_t i
    cdef Bus *bus
    cdef uint64_t turn = w.now // TURN_NS
    cdef bint trim = w.now > HISTORY_NS and w.now - w.last_trim_ns >= TRIM_NS
    if trim:
        w.last_trim_ns = w.now
    for i in range(w.n_publishers):
        tell_publisher(w, w.publishers[i])
    # After a pause nobody is owed the turns that were missed.
    w.turn = max(w.turn, turn - TURNS)
    while w.turn < turn:
        w.turn += 1
        i = w.turn % TURNS
        while i < w.n_peers:
            if w.peers[i] != NULL and w.peers[i].subscriptions != NULL:
                tell_subscriber(w, w.peers[i])
            i += TURNS
    w.untold = 0
    if w.now - w.last_levels_ns >= LEVELS_NS:
        tell_levels(w)
    bus = w.buses
    while bus != NULL:
        if bus.home:
            tell_speaker(w, bus)
        bus = bus.next
    for i in range(w.n_publications):
        if w.publications[i] != NULL:
            if w.publications[i].is_mirror:
                send_pending_key_request(w, w.publications[i])
            if trim:
                history_trim(&w.publications[i].history, w.now - HISTORY_NS, &w.pool)


cdef void tell_publisher(Worker *w, Peer *peer) noexcept nogil:
    """NACKs, transport-wide feedback, pending key frame requests, and once a second a receiver report."""
    cdef uint16_t pids[NACK_PAIRS]
    cdef uint16_t blps[NACK_PAIRS]
    cdef ReportBlock blocks[MAX_SECTIONS]
    cdef Publication *p
    cdef uint32_t i
    cdef int n, size
    if peer.srtp_out == NULL:
        return
    for i in range(peer.n_publications):
        p = peer.publications[i]
        if p.ssrc == 0:
            continue
        if p.nack and reception_deadline(&p.reception) <= w.now:
            n = reception_nacks(&p.reception, w.now, pids, blps, NACK_PAIRS)
            if n > 0:
                size = rtcp_put_nack(w.scratch, FEEDBACK_BYTES, peer.feedback_ssrc, p.ssrc, pids, blps, n)
                send_rtcp(w, peer, w.scratch, size)
                w.counters[C_NACKS_SENT] += 1
        if p.reception.keyframe_needed:
            p.reception.keyframe_needed = 0
            request_key(w, p)
        send_pending_key_request(w, p)
    if twcc_due(&peer.twcc, w.now):
        while True:
            size = twcc_feedback(
                &peer.twcc, w.scratch, FEEDBACK_BYTES, peer.feedback_ssrc, peer.publications[0].ssrc, w.now
            )
            if size <= 0:
                break
            send_rtcp(w, peer, w.scratch, size)
    if w.now >= peer.next_report_ns:
        peer.next_report_ns = w.now + REPORT_NS
        n = 0
        for i in range(peer.n_publications):
            p = peer.publications[i]
            if p.ssrc and reception_report(&p.reception, &blocks[n], w.now):
                blocks[n].ssrc = p.ssrc
                n += 1
        if n:
            size = rtcp_put_rr(w.scratch, FEEDBACK_BYTES, peer.feedback_ssrc, blocks, n)
            size += rtcp_put_cname(
                w.scratch + size, FEEDBACK_BYTES - size, peer.feedback_ssrc, peer.cname, peer.cname_size
            )
            send_rtcp(w, peer, w.scratch, size)


cdef void tell_subscriber(Worker *w, Peer *peer) noexcept nogil:
    """Sender reports of all that flows to a peer, as few datagrams as they fit in; and news of it for the control plane."""
    cdef Subscription *s = peer.subscriptions
    cdef SenderInfo info
    cdef Publication *p
    cdef uint64_t ntp = ntp_now(w)
    cdef int size = 0
    cdef int added, elapsed
    while s != NULL:
        p = flowing(w, s)
        if s.kind == KIND_VIDEO and allocation_changed(w, s, p):
            peer.allocations_untold = 1
        if p != NULL and p.clock_known and s.packets:
            info.ssrc = s.ssrc
            info.ntp_hi = <uint32_t>(ntp >> 32)
            info.ntp_lo = <uint32_t>ntp
            info.rtp_ts = p.clock_ts + media_time(w.now, p.clock_ns, p.clock) + s.tsmap.offset
            info.packets = s.packets
            info.octets = s.octets
            if size + 28 + 16 + s.config.cname_size > FEEDBACK_BYTES:
                send_rtcp(w, peer, w.scratch, size)
                size = 0
            size += rtcp_put_sr(w.scratch + size, FEEDBACK_BYTES - size, &info, NULL, 0)
            size += rtcp_put_cname(
                w.scratch + size, FEEDBACK_BYTES - size, s.ssrc, s.config.cname, s.config.cname_size
            )
        s = s.next
    if size:
        send_rtcp(w, peer, w.scratch, size)
    if peer.allocations_untold and post_small(w, NOTICE_ALLOCATIONS, peer.slot, 0):
        peer.allocations_untold = 0
    tell_rate(w, peer)


cdef bint allocation_changed(Worker *w, Subscription *s, Publication *p) noexcept nogil:
    """Measure what goes down a section; True, and noted, if its source, its size or a quarter of its rate is other than told."""
    cdef Allocation *told = &s.allocation
    cdef uint64_t span = w.now - s.measured_ns
    cdef uint64_t bytes = s.bytes - s.measured_bytes
    cdef int64_t rate, change
    if s.measured_ns and span < MEASURE_MIN_NS:
        return False
    if s.measured_ns and span <= MEASURE_MAX_NS:
        if bytes:
            rate = <int64_t>(bytes * 8 * 1_000_000_000 // span)
            s.rate_bps = <uint32_t>((s.rate_bps + rate) // 2 if s.rate_bps else rate)
            s.still = 0
        else:
            s.still += 1
    s.measured_ns = w.now
    s.measured_bytes = s.bytes
    if p == NULL or s.still >= STILL:
        s.rate_bps = 0
        s.still = STILL
    if s.rate_bps == 0:
        change = told.key
        told.key = 0
        return change != 0
    change = <int64_t>s.rate_bps - told.rate_bps
    if told.key == p.key and told.width == p.width and told.height == p.height and 4 * max(change, -change) <= told.rate_bps:
        return False
    told.key = p.key
    told.rate_bps = s.rate_bps
    told.width = p.width
    told.height = p.height
    return True


cdef inline uint32_t media_time(uint64_t now, uint64_t then, uint32_t clock) noexcept nogil:
    """The units of `clock` Hz from `then` to `now`, which may lie before it."""
    cdef int64_t us = (<int64_t>now - <int64_t>then) // 1000
    us = max(min(us, <int64_t>MEDIA_TIME_S * 1_000_000), -<int64_t>MEDIA_TIME_S * 1_000_000)
    return <uint32_t>(us * <int64_t>clock // 1_000_000)


cdef void tell_speaker(Worker *w, Bus *bus) noexcept nogil:
    cdef uint32_t who = speakers_speaking(&bus.speakers, w.now)
    if who == bus.reported:
        return
    if post_small(w, NOTICE_SPEAKER, bus.id, who):
        bus.reported = who
    else:
        w.untold = 1


cdef void tell_levels(Worker *w) noexcept nogil:
    """How loud the publications of this worker's own peers are by now, as far as that is news; mirrors tell nothing."""
    cdef Notice *notice = NULL
    cdef Peer *peer
    cdef Publication *p
    cdef uint32_t i, k
    cdef int level
    for i in range(w.n_publishers):
        peer = w.publishers[i]
        for k in range(peer.n_publications):
            p = peer.publications[k]
            level = level_news(&p.level, w.now) if p.kind == KIND_AUDIO else -1
            if level < 0:
                continue
            if notice == NULL:
                notice = begin_levels(w)
                if notice == NULL:
                    w.untold = 1
                    return
            p.level.told = <uint8_t>level
            if not put_level(notice, p.key, level):
                end_levels(w)
                notice = NULL
    if notice != NULL:
        end_levels(w)
    w.last_levels_ns = w.now
