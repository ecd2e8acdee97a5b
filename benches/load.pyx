# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The native half of the load generator, and the floor that the server is held against.

Publisher and Receivers each run one thread without the GIL (the caller gives it: `run` returns after `stop`).
Sockets, keys and addresses are made in Python and handed in as numbers; the objects behind them are kept by the
Python object for as long as its thread may touch them. All counters belong to the thread that writes them: it copies
them out between two batches when asked, so that one reading fits together.

A published packet: RTP header, RFC 8285 one-byte extensions (transport-wide sequence, mid), then exactly PAYLOAD bytes:
a VP8 descriptor with a 15-bit picture id (RFC 7741 4.2), the VP8 payload header where a frame begins, random bytes, and
at the very end a mark and CLOCK_MONOTONIC in ns at the moment of sending. All packets have one size, so a frame leaves
as one UDP_SEGMENT train, which is also what a server needs to send it on as one.

Floor is the least that forwarding costs: copy, number, protect, send. Same crypto, socket kind and frame schedule as
the server; nothing received, nothing looked up.
"""

from libc.stdint cimport int16_t, int64_t, uint16_t, uint32_t, uint64_t, uint8_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from native.crypto cimport SRTP_OK, srtp_call, srtp_t
from native.rtp cimport ExtElement, RtpView, get_u16, get_u32, put_u16, put_u32, rtp_element, rtp_header
from native.twcc cimport TwccLog, twcc_arrived, twcc_feedback, twcc_init
from native.os cimport (
    AF_INET, EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLIN, MSG_DONTWAIT,
    close, epoll_create1, epoll_ctl, epoll_event, epoll_wait, eventfd, get_segment, iovec, load_u64, mmsghdr, msghdr,
    now_ns, read, recvmmsg, recvmsg, sendmmsg, sendmsg, sendto, set_segment, sockaddr_in, store_u64, usleep, wall_ns,
    write,
)

from benches.counts import Arrived, Published

cdef extern from *:
    """
    #include <arpa/inet.h>
    #include <poll.h>
    #include <sys/prctl.h>
    #include <time.h>

    static inline uint64_t bench_thread_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }

    static inline void bench_sleep_until(uint64_t when_ns) {
        struct timespec t = {(time_t)(when_ns / 1000000000u), (long)(when_ns % 1000000000u)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) { }
    }

    static inline int bench_wait(int fd, uint64_t timeout_ns) {
        struct pollfd p = {fd, POLLIN, 0};
        struct timespec t = {(time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u)};
        return ppoll(&p, 1, &t, NULL);
    }

    /* Timers of this thread fire when they are due, not up to 50 us later (the default slack). */
    static inline void bench_exact_timers(void) { prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0); }

    #define bench_leading_zeros(v) __builtin_clzll(v)
    """
    uint64_t thread_ns "bench_thread_ns"() noexcept nogil
    void sleep_until "bench_sleep_until"(uint64_t when_ns) noexcept nogil
    int wait_readable "bench_wait"(int fd, uint64_t timeout_ns) noexcept nogil
    void exact_timers "bench_exact_timers"() noexcept nogil
    int leading_zeros "bench_leading_zeros"(uint64_t v) noexcept nogil
    uint16_t htons(uint16_t v) nogil
    uint32_t htonl(uint32_t v) nogil

cdef enum:
    TRAIN = 4           # packets of a frame
    PAYLOAD_SIZE = 1100
    RTP_HEADER = 12
    TRAILER = 20        # the most that SRTP adds (a tag), and SRTCP (index and tag)
    DATAGRAM = 1500
    READS = 16          # datagrams or trains of one recvmmsg
    READ_SIZE = 65536
    EVENTS = 256
    SAMPLED = 16        # one packet in so many is decrypted
    WAKE = 0xFFFFFFFF   # epoll's word for the eventfd, which is no subscriber
    BUCKETS = 1920
    SECOND = 1000000000
    STAMP = 12          # mark and time at the end of a payload
    MARK = 0x41545243

PAYLOAD = PAYLOAD_SIZE
PACKETS_A_FRAME = TRAIN


# Histogram ------------------------------------------------------------------------------------------------------------

cdef inline int bucket_of(uint64_t v) noexcept nogil:
    """Log-linear: exact below 32, then 32 buckets a power of two, so the error is at most 1/32."""
    cdef int e
    if v < 32:
        return <int>v
    e = 63 - leading_zeros(v)
    return (e - 4) * 32 + <int>((v >> (e - 5)) & 31)


cdef class Histogram:
    """How often which duration occurred, in ns. Percentiles and maximum are the upper edges of their buckets."""

    cdef uint64_t buckets[BUCKETS]

    def record(self, uint64_t value):
        self.buckets[bucket_of(value)] += 1

    @property
    def count(self):
        cdef uint64_t total = 0
        cdef int i
        for i in range(BUCKETS):
            total += self.buckets[i]
        return total

    def percentile(self, double percent):
        """The smallest edge below which `percent` of the values lie; 0 when there are none."""
        cdef double wanted = self.count * percent / 100.0
        cdef uint64_t seen = 0
        cdef int i, last = -1
        for i in range(BUCKETS):
            if self.buckets[i]:
                last = i
                seen += self.buckets[i]
                if seen >= wanted:
                    break
        if last < 0:
            return 0
        if last < 32:
            return last
        return ((<uint64_t>32 + (last & 31) + 1) << (last // 32 - 1)) - 1

    @property
    def maximum(self):
        return self.percentile(100.0)

    def __sub__(Histogram self, Histogram earlier):
        cdef Histogram difference = Histogram()
        cdef int i
        for i in range(BUCKETS):
            difference.buckets[i] = self.buckets[i] - earlier.buckets[i]
        return difference


# Loss -----------------------------------------------------------------------------------------------------------------

cdef struct Sequence:
    uint32_t highest    # extended by counted cycles (RFC 3550 A.1); starts in cycle 1, so that it cannot fall below 0
    uint32_t first
    uint64_t received


cdef inline uint32_t sequence_note(Sequence *s, uint16_t seq) noexcept nogil:
    """One more packet has come. By how much the number of expected ones grew: 0 for one that is late or twice."""
    cdef int16_t ahead
    s.received += 1
    if s.highest == 0:
        s.highest = s.first = <uint32_t>0x10000 + seq
        return 1
    ahead = <int16_t>(seq - <uint16_t>s.highest)
    if ahead <= 0:
        return 0
    s.highest += <uint32_t>ahead
    return <uint32_t>ahead


cdef class LossCounter:
    """The same count for tests: which packets of a stream never came."""

    cdef Sequence sequence
    cdef readonly uint64_t expected

    def note(self, uint16_t seq):
        self.expected += sequence_note(&self.sequence, seq)

    @property
    def received(self):
        return self.sequence.received

    @property
    def highest(self):
        return self.sequence.highest


# Crypto ---------------------------------------------------------------------------------------------------------------

cdef struct Calls:
    srtp_call protect
    srtp_call unprotect
    srtp_call protect_rtcp
    srtp_call unprotect_rtcp


cdef Calls calls_of(addresses):
    cdef Calls calls
    protect, unprotect, protect_rtcp, unprotect_rtcp = addresses
    calls.protect = <srtp_call><uintptr_t>protect
    calls.unprotect = <srtp_call><uintptr_t>unprotect
    calls.protect_rtcp = <srtp_call><uintptr_t>protect_rtcp
    calls.unprotect_rtcp = <srtp_call><uintptr_t>unprotect_rtcp
    return calls


# Subscribers ----------------------------------------------------------------------------------------------------------

cdef struct Subscriber:
    int fd                      # the Python socket owns it
    uint32_t ssrc, rtx_ssrc     # what the answer announced
    uint32_t own_ssrc           # of our reports
    int twcc_id                 # of the extension that carries transport-wide numbers; 0: not negotiated
    TwccLog *arrivals           # by those numbers; NULL: nothing is told of them
    uint32_t until_decrypt
    uint32_t last_sr            # middle of its NTP time, 0: none yet
    uint64_t last_sr_ns
    uint64_t reported_received, reported_expected
    Sequence sequence
    srtp_t inbound, outbound    # the Python sessions own them; NULL: nothing is decrypted or reported


cdef struct Totals:
    # In the order of benches.counts.Arrived.
    uint64_t received, expected, octets, reads, decrypted, refused, retransmitted, strange
    uint64_t rtcp, rtcp_refused, stun, dtls, reports, feedback


cdef struct Reception:
    Subscriber *subscribers
    uint32_t capacity
    int epoll, wake
    Calls calls
    # Shared with the control thread: words that one side writes.
    uint64_t count, stopping, reporting, asked, answered
    Totals totals
    Totals copied
    uint64_t *delays            # BUCKETS words, the thread's
    uint64_t *copied_delays
    uint8_t *memory             # READS times READ_SIZE
    mmsghdr messages[READS]
    iovec vectors[READS]
    uint8_t controls[READS][64]
    uint64_t report_ns, reported    # when the next report is due, and how many were
    uint64_t feedback_ns, told      # the same of transport-wide feedback


cdef void note_arrival(Subscriber *s, uint8_t *p, int size, uint64_t now) noexcept nogil:
    """The transport-wide number, which SRTP leaves in clear as all of the header."""
    cdef RtpView view
    cdef ExtElement element
    cdef int cursor
    if rtp_header(p, size, &view) != 0:
        return
    cursor = view.ext_at
    while rtp_element(p, &view, &cursor, &element) == 1:
        if element.id == s.twcc_id and element.size == 2:
            twcc_arrived(s.arrivals, get_u16(p + element.at), now)


cdef void take_packet(Reception *r, Subscriber *s, uint8_t *p, int size, uint64_t now) noexcept nogil:
    """One datagram of a subscriber (RFC 7983 by its first byte, RFC 5761 by its second)."""
    cdef uint32_t ssrc
    cdef int length, at
    cdef uint64_t sent
    if size < 12:
        return
    if p[0] < 4:
        r.totals.stun += 1
        return
    if p[0] < 64:
        r.totals.dtls += 1
        return
    if 192 <= p[1] <= 223:
        r.totals.rtcp += 1
        if s.inbound == NULL:
            return
        length = size
        if r.calls.unprotect_rtcp(s.inbound, p, &length) != SRTP_OK:
            r.totals.rtcp_refused += 1
        elif p[1] == 200 and length >= 28 and get_u32(p + 4) == s.ssrc:
            s.last_sr = get_u32(p + 10)
            s.last_sr_ns = now
        return
    if s.arrivals != NULL:
        note_arrival(s, p, size, now)
    ssrc = get_u32(p + 8)
    if ssrc != s.ssrc:
        if ssrc == s.rtx_ssrc and s.rtx_ssrc != 0:
            r.totals.retransmitted += 1
        else:
            r.totals.strange += 1
        return
    r.totals.received += 1
    r.totals.octets += <uint64_t>size
    r.totals.expected += sequence_note(&s.sequence, get_u16(p + 2))
    if s.inbound == NULL:
        return
    s.until_decrypt -= 1
    if s.until_decrypt:
        return
    # One less or more now and then, or one subscriber would always see the same packet of a frame.
    s.until_decrypt = SAMPLED + ((<uint32_t>(s.sequence.received >> 4)) & 1) * 2 - 1
    length = size
    if r.calls.unprotect(s.inbound, p, &length) != SRTP_OK or length < RTP_HEADER + STAMP:
        r.totals.refused += 1
        return
    at = length - STAMP
    if get_u32(p + at) != MARK:
        r.totals.refused += 1
        return
    memcpy(&sent, p + at + 4, 8)
    r.totals.decrypted += 1
    r.delays[bucket_of(now - sent if now > sent else 0)] += 1


cdef void read_subscriber(Reception *r, Subscriber *s) noexcept nogil:
    """Whatever waits in one socket, up to READS reads; the rest is reported by epoll again."""
    cdef int i, got, size, segment, at
    cdef uint8_t *p
    cdef uint64_t now
    for i in range(READS):
        r.messages[i].msg_hdr.msg_controllen = 64
    got = recvmmsg(s.fd, r.messages, READS, MSG_DONTWAIT, NULL)
    if got <= 0:
        return
    now = now_ns()
    for i in range(got):
        r.totals.reads += 1
        p = <uint8_t *>r.vectors[i].iov_base
        size = <int>r.messages[i].msg_len
        segment = get_segment(&r.messages[i].msg_hdr)
        if segment <= 0:
            segment = size
        at = 0
        while at < size:
            take_packet(r, s, p + at, segment if segment < size - at else size - at, now)
            at += segment


cdef void send_report(Reception *r, Subscriber *s) noexcept nogil:
    """RFC 3550 6.4.2, reduced size (RFC 5506): one block about the video, or none before its first packet."""
    cdef uint8_t p[64]
    cdef int size = 8, cumulative
    cdef uint64_t expected, lost, interval, fraction
    if s.outbound == NULL:
        return
    memset(p, 0, sizeof(p))
    p[0] = 0x80
    p[1] = 201
    put_u32(p + 4, s.own_ssrc)
    if s.sequence.highest:
        p[0] = 0x81
        size = 32
        expected = s.sequence.highest - s.sequence.first + 1
        interval = expected - s.reported_expected
        lost = interval - (s.sequence.received - s.reported_received)
        if <int64_t>lost < 0:
            lost = 0
        cumulative = <int>(expected - s.sequence.received)
        put_u32(p + 8, s.ssrc)
        fraction = lost * 256 // interval if interval else 0
        put_u32(p + 12, (<uint32_t>fraction << 24) | (<uint32_t>cumulative & 0xFFFFFF))
        put_u32(p + 16, s.sequence.highest - 0x10000)
        if s.last_sr:
            put_u32(p + 24, s.last_sr)
            put_u32(p + 28, <uint32_t>((now_ns() - s.last_sr_ns) * 65536 // SECOND))
        s.reported_expected = expected
        s.reported_received = s.sequence.received
    put_u16(p + 2, <uint16_t>(size // 4 - 1))
    if r.calls.protect_rtcp(s.outbound, p, &size) == SRTP_OK:
        if sendto(s.fd, p, <size_t>size, MSG_DONTWAIT, NULL, 0) > 0:
            r.totals.reports += 1


cdef void send_feedback(Reception *r, Subscriber *s, uint64_t now) noexcept nogil:
    """What came since the last time."""
    cdef uint8_t p[DATAGRAM]
    cdef int size
    if s.outbound == NULL or s.arrivals == NULL:
        return
    while True:
        size = twcc_feedback(s.arrivals, p, PAYLOAD_SIZE, s.own_ssrc, s.ssrc, now)
        if size <= 0:
            return
        if r.calls.protect_rtcp(s.outbound, p, &size) == SRTP_OK:
            if sendto(s.fd, p, <size_t>size, MSG_DONTWAIT, NULL, 0) > 0:
                r.totals.feedback += 1


cdef void send_due_feedback(Reception *r, uint64_t now) noexcept nogil:
    """Each subscriber tells of arrivals every 100 ms, as browsers do at such rates, all of them spread evenly over it."""
    cdef uint64_t count = load_u64(&r.count)
    if not load_u64(&r.reporting) or count == 0 or now > r.feedback_ns + SECOND // 10:
        r.feedback_ns = now
    if not load_u64(&r.reporting) or count == 0:
        return
    while r.feedback_ns <= now:
        send_feedback(r, &r.subscribers[r.told % count], now)
        r.told += 1
        r.feedback_ns += SECOND // 10 // count


cdef void send_due_reports(Reception *r, uint64_t now) noexcept nogil:
    """Each subscriber reports once a second, all of them spread evenly over it."""
    cdef uint64_t count = load_u64(&r.count)
    if not load_u64(&r.reporting) or count == 0 or now > r.report_ns + SECOND // 10:
        r.report_ns = now   # what was missed is not made up for
    if not load_u64(&r.reporting) or count == 0:
        return
    while r.report_ns <= now:
        send_report(r, &r.subscribers[r.reported % count])
        r.reported += 1
        r.report_ns += SECOND // count


cdef void receive_all(Reception *r) noexcept nogil:
    cdef epoll_event events[EVENTS]
    cdef int i, got
    cdef uint64_t word
    while not load_u64(&r.stopping):
        got = epoll_wait(r.epoll, events, EVENTS, 4)
        for i in range(got):
            if events[i].data.u32 == WAKE:
                read(r.wake, &word, 8)
            else:
                read_subscriber(r, &r.subscribers[events[i].data.u32])
        send_due_reports(r, now_ns())
        send_due_feedback(r, now_ns())
        word = load_u64(&r.asked)
        if word != r.answered:
            r.copied = r.totals
            memcpy(r.copied_delays, r.delays, BUCKETS * 8)
            store_u64(&r.answered, word)


cdef class Receivers:
    """N subscribers, each with a socket of its own, read by the one thread that calls `run`."""

    cdef Reception *r
    cdef list kept

    def __cinit__(self, int capacity, addresses=None):
        cdef int i
        self.kept = []
        self.r = <Reception *>calloc(1, sizeof(Reception))
        if self.r == NULL:
            raise MemoryError
        self.r.subscribers = <Subscriber *>calloc(<size_t>capacity, sizeof(Subscriber))
        self.r.delays = <uint64_t *>calloc(BUCKETS, 8)
        self.r.copied_delays = <uint64_t *>calloc(BUCKETS, 8)
        self.r.memory = <uint8_t *>calloc(READS, READ_SIZE)
        if not (self.r.subscribers and self.r.delays and self.r.copied_delays and self.r.memory):
            raise MemoryError
        self.r.capacity = <uint32_t>capacity
        if addresses is not None:
            self.r.calls = calls_of(addresses)
        self.r.reporting = 1
        for i in range(READS):
            self.r.vectors[i].iov_base = self.r.memory + <size_t>i * READ_SIZE
            self.r.vectors[i].iov_len = READ_SIZE
            self.r.messages[i].msg_hdr.msg_iov = &self.r.vectors[i]
            self.r.messages[i].msg_hdr.msg_iovlen = 1
            self.r.messages[i].msg_hdr.msg_control = &self.r.controls[i][0]
        self.r.epoll = epoll_create1(EPOLL_CLOEXEC)
        self.r.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.r.epoll < 0 or self.r.wake < 0 or self._watch(self.r.wake, <uint32_t>WAKE) < 0:
            raise OSError("no descriptor for epoll")

    def __dealloc__(self):
        if self.r == NULL:
            return
        cdef uint64_t i
        if self.r.epoll > 0:
            close(self.r.epoll)
        if self.r.wake > 0:
            close(self.r.wake)
        if self.r.subscribers != NULL:
            for i in range(self.r.count):
                free(self.r.subscribers[i].arrivals)
        free(self.r.subscribers)
        free(self.r.delays)
        free(self.r.copied_delays)
        free(self.r.memory)
        free(self.r)

    cdef int _watch(self, int fd, uint32_t word) except -2:
        cdef epoll_event event
        event.events = <uint32_t>EPOLLIN
        event.data.u64 = word
        return epoll_ctl(self.r.epoll, EPOLL_CTL_ADD, fd, &event)

    def add(self, keep, int fd, uint32_t ssrc, uint32_t rtx_ssrc=0, uint32_t own_ssrc=0,
            uintptr_t inbound=0, uintptr_t outbound=0, int twcc_id=0):
        """One more subscriber; `keep` is whatever owns the descriptor and the SRTP sessions."""
        cdef uint64_t index = self.r.count
        cdef Subscriber *s = &self.r.subscribers[index]
        if index >= self.r.capacity:
            raise ValueError("more subscribers than there is room for")
        self.kept.append(keep)
        s.fd = fd
        s.ssrc = ssrc
        s.rtx_ssrc = rtx_ssrc
        s.own_ssrc = own_ssrc
        s.inbound = <srtp_t>inbound
        s.outbound = <srtp_t>outbound
        s.twcc_id = twcc_id
        if twcc_id:
            s.arrivals = <TwccLog *>calloc(1, sizeof(TwccLog))
            if s.arrivals == NULL:
                raise MemoryError
            twcc_init(s.arrivals)
        # Which of 16 packets is decrypted differs from one subscriber to the next.
        s.until_decrypt = 1 + <uint32_t>index % SAMPLED
        store_u64(&self.r.count, index + 1)
        if self._watch(fd, <uint32_t>index) < 0:
            raise OSError("epoll refuses the socket")

    @property
    def count(self):
        return self.r.count

    def run(self):
        """The thread; returns after `stop`."""
        with nogil:
            exact_timers()
            receive_all(self.r)

    def stop(self):
        store_u64(&self.r.stopping, 1)
        self._wake()

    def report(self, bint wanted):
        """Whether receiver reports and transport-wide feedback are sent."""
        store_u64(&self.r.reporting, wanted)

    cdef void _wake(self):
        cdef uint64_t one = 1
        write(self.r.wake, &one, 8)

    def read(self):
        """(Arrived, Histogram of delays) so far. Asks the thread, which must be running."""
        cdef uint64_t wanted = self.r.asked + 1
        cdef Histogram delays = Histogram()
        cdef Totals *t = &self.r.copied
        cdef int tries = 0
        store_u64(&self.r.asked, wanted)
        self._wake()
        with nogil:
            while load_u64(&self.r.answered) != wanted and tries < 50000:
                usleep(100)
                tries += 1
        if load_u64(&self.r.answered) != wanted:
            raise RuntimeError("the receiving thread does not answer")
        memcpy(delays.buckets, self.r.copied_delays, BUCKETS * 8)
        return Arrived(t.received, t.expected, t.octets, t.reads, t.decrypted, t.refused, t.retransmitted, t.strange,
                       t.rtcp, t.rtcp_refused, t.stun, t.dtls, t.reports, t.feedback), delays


# The publisher --------------------------------------------------------------------------------------------------------

cdef struct Emitted:
    # In the order of benches.counts.Published.
    uint64_t packets, frames, key_frames, late, unsent, pli, fir, nack, feedback, receiver_reports, rtcp_refused


cdef struct Emission:
    int fd                      # the Python socket owns it; connected
    Calls calls
    srtp_t inbound, outbound    # the Python sessions own them
    uint32_t ssrc
    uint8_t pt
    int header                  # RTP header and extensions
    int twcc_at                 # where the transport-wide sequence stands in a packet; 0: not negotiated
    int size                    # of a packet before SRTP
    uint8_t packet[DATAGRAM]    # what is the same in all of them
    uint8_t train[TRAIN * DATAGRAM]
    uint16_t seq, twcc, picture
    uint32_t ts_base
    uint64_t start_ns, key_ns, report_ns, octets
    int key_wanted
    uint64_t fps, stopping      # the control thread writes these
    uint64_t asked, answered
    Emitted totals
    Emitted copied


cdef void send_frame(Emission *e, uint64_t due, uint64_t now) noexcept nogil:
    """TRAIN packets of one picture, protected, as one train."""
    cdef int i, size, total = 0, key = 0
    cdef uint32_t ts = e.ts_base + <uint32_t>((due - e.start_ns) * 9 // 100000)
    cdef uint8_t *p
    cdef uint8_t *q
    cdef uint64_t stamp
    cdef iovec vector
    cdef msghdr message
    cdef uint8_t control[64]
    if e.key_wanted or e.key_ns == 0 or now - e.key_ns > 3 * <uint64_t>SECOND:
        key = 1
        e.key_wanted = 0
        e.key_ns = now
        e.totals.key_frames += 1
    e.picture = (e.picture + 1) & 0x7FFF
    size = e.size
    for i in range(TRAIN):
        p = e.train + total
        memcpy(p, e.packet, <size_t>e.size)
        p[1] = e.pt | (0x80 if i == TRAIN - 1 else 0)
        put_u16(p + 2, e.seq)
        put_u32(p + 4, ts)
        if e.twcc_at:
            put_u16(p + e.twcc_at, e.twcc)
            e.twcc += 1
        q = p + e.header
        q[0] = 0x80 | (0x10 if i == 0 else 0)   # X, and S where the partition begins
        q[1] = 0x80                             # I
        put_u16(q + 2, 0x8000 | e.picture)
        if i == 0:
            # RFC 6386 9.1: shown, first partition of 1,000 bytes; a key frame goes on with start code and size.
            q[4] = <uint8_t>((0 if key else 1) | 0x10 | ((1000 & 7) << 5))
            q[5] = <uint8_t>(1000 >> 3)
            q[6] = 0
            if key:
                q[7] = 0x9D
                q[8] = 0x01
                q[9] = 0x2A
                q[10] = 640 & 0xFF
                q[11] = 640 >> 8
                q[12] = 360 & 0xFF
                q[13] = 360 >> 8
        put_u32(p + e.size - STAMP, MARK)
        stamp = now_ns()
        memcpy(p + e.size - 8, &stamp, 8)
        size = e.size
        if e.calls.protect(e.outbound, p, &size) != SRTP_OK:
            e.totals.unsent += 1
            return
        e.seq += 1
        total += size
    vector.iov_base = e.train
    vector.iov_len = <size_t>total
    memset(&message, 0, sizeof(message))
    message.msg_iov = &vector
    message.msg_iovlen = 1
    set_segment(&message, control, <uint16_t>size)
    if sendmsg(e.fd, &message, MSG_DONTWAIT) < 0:
        e.totals.unsent += TRAIN
        return
    e.totals.frames += 1
    e.totals.packets += TRAIN
    e.octets += TRAIN * PAYLOAD_SIZE
    if now > due + 5000000:
        e.totals.late += 1


cdef void send_sender_report(Emission *e, uint64_t now) noexcept nogil:
    """RFC 3550 6.4.1 and the CNAME that must go with it (6.1)."""
    cdef uint8_t p[96]
    cdef uint64_t wall = wall_ns()
    cdef int size = 44
    memset(p, 0, sizeof(p))
    p[0] = 0x80
    p[1] = 200
    put_u16(p + 2, 6)
    put_u32(p + 4, e.ssrc)
    put_u32(p + 8, <uint32_t>(wall // SECOND + 2208988800ULL))
    put_u32(p + 12, <uint32_t>(((wall % SECOND) << 32) // SECOND))
    put_u32(p + 16, e.ts_base + <uint32_t>((now - e.start_ns) * 9 // 100000))
    put_u32(p + 20, <uint32_t>e.totals.packets)
    put_u32(p + 24, <uint32_t>e.octets)
    p[28] = 0x81
    p[29] = 202
    put_u16(p + 30, 3)
    put_u32(p + 32, e.ssrc)
    p[36] = 1
    p[37] = 5
    memcpy(p + 38, b"bench", 5)
    if e.calls.protect_rtcp(e.outbound, p, &size) == SRTP_OK:
        sendto(e.fd, p, <size_t>size, MSG_DONTWAIT, NULL, 0)


cdef void take_feedback(Emission *e) noexcept nogil:
    """Compound packets that came back: counted; a PLI (RFC 4585 6.3.1) or FIR (RFC 5104 4.3.1) makes a key frame."""
    cdef uint8_t p[2048]
    cdef iovec vector
    cdef msghdr message
    cdef int size, at, length, kind, format
    cdef long got
    while True:
        vector.iov_base = p
        vector.iov_len = sizeof(p)
        memset(&message, 0, sizeof(message))
        message.msg_iov = &vector
        message.msg_iovlen = 1
        got = recvmsg(e.fd, &message, MSG_DONTWAIT)
        if got <= 0:
            return
        if got < 8 or p[0] < 128 or not 192 <= p[1] <= 223:
            continue
        size = <int>got
        if e.calls.unprotect_rtcp(e.inbound, p, &size) != SRTP_OK:
            e.totals.rtcp_refused += 1
            continue
        at = 0
        while at + 8 <= size:
            kind = p[at + 1]
            format = p[at] & 31
            length = (get_u16(p + at + 2) + 1) * 4
            if kind == 201:
                e.totals.receiver_reports += 1
            elif kind == 205 and format == 1:
                e.totals.nack += 1
            elif kind == 205 and format == 15:
                e.totals.feedback += 1
            elif kind == 206 and format == 1:
                e.totals.pli += 1
                e.key_wanted = 1
            elif kind == 206 and format == 4:
                e.totals.fir += 1
                e.key_wanted = 1
            at += length


cdef void emit_all(Emission *e) noexcept nogil:
    cdef uint64_t fps, now, due = 0, word
    e.start_ns = now_ns()
    while not load_u64(&e.stopping):
        fps = load_u64(&e.fps)
        now = now_ns()
        if fps == 0:
            due = 0
            if wait_readable(e.fd, 20000000) > 0:
                take_feedback(e)
        else:
            if due == 0:
                due = now
            if now >= due:
                send_frame(e, due, now)
                due += SECOND // fps
                if now > due + SECOND // 10:
                    due = now
            if now - e.report_ns > SECOND:
                e.report_ns = now
                send_sender_report(e, now)
            now = now_ns()
            if now < due and wait_readable(e.fd, due - now if due - now < 20000000 else 20000000) > 0:
                take_feedback(e)
        word = load_u64(&e.asked)
        if word != e.answered:
            e.copied = e.totals
            store_u64(&e.answered, word)


cdef class Publisher:
    """One member's camera: `fps` frames a second of four packets each, from the thread that calls `run`."""

    cdef Emission *e
    cdef object kept

    def __cinit__(self, keep, addresses, int fd, uintptr_t inbound, uintptr_t outbound, uint32_t ssrc, int pt,
                  bytes mid, int mid_id, int twcc_id, bytes noise):
        cdef bytes extensions = b""
        if len(noise) < PAYLOAD_SIZE:
            raise ValueError("noise fills a payload")
        self.e = <Emission *>calloc(1, sizeof(Emission))
        if self.e == NULL:
            raise MemoryError
        self.kept = keep
        self.e.fd = fd
        self.e.calls = calls_of(addresses)
        self.e.inbound = <srtp_t>inbound
        self.e.outbound = <srtp_t>outbound
        self.e.ssrc = ssrc
        self.e.pt = <uint8_t>pt
        if twcc_id:
            extensions += bytes([twcc_id << 4 | 1, 0, 0])
            self.e.twcc_at = RTP_HEADER + 4 + 1
        if mid_id:
            extensions += bytes([mid_id << 4 | (len(mid) - 1)]) + mid
        extensions += bytes(3 - (len(extensions) + 3) % 4)
        header = bytes([0x90 if extensions else 0x80, pt, 0, 0, 0, 0, 0, 0]) + ssrc.to_bytes(4, "big")
        if extensions:
            header += b"\xbe\xde" + (len(extensions) // 4).to_bytes(2, "big") + extensions
        packet = header + noise[:PAYLOAD_SIZE]
        self.e.header = <int>len(header)
        self.e.size = <int>len(packet)
        memcpy(self.e.packet, <uint8_t *>packet, len(packet))
        self.e.ts_base = <uint32_t>now_ns()
        self.e.seq = <uint16_t>(now_ns() >> 8)

    def __dealloc__(self):
        free(self.e)

    @property
    def packet_size(self):
        """Bytes of a packet before SRTP."""
        return self.e.size

    def rate(self, int fps):
        """Frames a second from now on; 0 falls silent."""
        store_u64(&self.e.fps, <uint64_t>fps)

    def run(self):
        """The thread; returns after `stop`."""
        with nogil:
            exact_timers()
            emit_all(self.e)

    def stop(self):
        store_u64(&self.e.stopping, 1)

    def read(self):
        """Published so far. Asks the thread, which must be running."""
        cdef uint64_t wanted = self.e.asked + 1
        cdef Emitted *t = &self.e.copied
        cdef int tries = 0
        store_u64(&self.e.asked, wanted)
        with nogil:
            while load_u64(&self.e.answered) != wanted and tries < 5000:
                usleep(1000)
                tries += 1
        if load_u64(&self.e.answered) != wanted:
            raise RuntimeError("the publishing thread does not answer")
        return Published(t.packets, t.frames, t.key_frames, t.late, t.unsent, t.pli, t.fir, t.nack, t.feedback,
                         t.receiver_reports, t.rtcp_refused)


# The floor ------------------------------------------------------------------------------------------------------------

cdef struct Destination:
    sockaddr_in address
    srtp_t outbound             # the Python session owns it
    uint32_t ssrc
    uint16_t seq, twcc


cdef enum:
    FLOOR_HEADER = RTP_HEADER + 12   # as a forwarded packet: transport-wide sequence and mid
    FLOOR_PACKET = FLOOR_HEADER + PAYLOAD_SIZE
    FLOOR_TRAIN = TRAIN * (FLOOR_PACKET + TRAILER)


cdef struct Bottom:
    int fd
    srtp_call protect
    Destination *destinations
    int count, trains, batch
    uint64_t stopping
    uint8_t source[TRAIN][FLOOR_PACKET]
    uint8_t *memory             # `batch` trains
    mmsghdr *messages           # one a train, or one a packet
    iovec *vectors
    uint8_t *controls           # 32 bytes a train
    uint64_t frames, packets, unsent, copy_ns, gcm_ns, send_ns


cdef void floor_batch(Bottom *b, int first, int count, uint32_t ts) noexcept nogil:
    """One frame to `count` destinations. The three parts one after the other, so that each is timed by two readings."""
    cdef int i, k, size = 0, sent, n = 0
    cdef uint8_t *p
    cdef Destination *d
    cdef mmsghdr *m
    cdef uint64_t t0 = thread_ns(), t1, t2
    cdef size_t stride = FLOOR_TRAIN
    for i in range(count):
        d = &b.destinations[first + i]
        for k in range(TRAIN):
            # Where the packet will stand once the one before it has grown by its tag (GCM: 16).
            p = b.memory + i * stride + k * (FLOOR_PACKET + 16)
            memcpy(p, b.source[k], FLOOR_PACKET)
            put_u16(p + 2, d.seq)
            put_u32(p + 4, ts)
            put_u32(p + 8, d.ssrc)
            put_u16(p + RTP_HEADER + 5, d.twcc)
            d.seq += 1
            d.twcc += 1
    t1 = thread_ns()
    for i in range(count):
        d = &b.destinations[first + i]
        for k in range(TRAIN):
            size = FLOOR_PACKET
            if b.protect(d.outbound, b.memory + i * stride + k * (FLOOR_PACKET + 16), &size) != SRTP_OK:
                b.unsent += 1
    t2 = thread_ns()
    for i in range(count):
        for k in range(1 if b.trains else TRAIN):
            m = &b.messages[n]
            b.vectors[n].iov_base = b.memory + i * stride + k * (FLOOR_PACKET + 16)
            b.vectors[n].iov_len = <size_t>(size * (TRAIN if b.trains else 1))
            m.msg_hdr.msg_name = &b.destinations[first + i].address
            m.msg_hdr.msg_namelen = sizeof(sockaddr_in)
            m.msg_hdr.msg_iov = &b.vectors[n]
            m.msg_hdr.msg_iovlen = 1
            if b.trains:
                set_segment(&m.msg_hdr, b.controls + 32 * n, <uint16_t>size)
            n += 1
    i = 0
    while i < n:
        sent = sendmmsg(b.fd, b.messages + i, <unsigned int>(n - i), 0)
        if sent <= 0:
            b.unsent += 1
            sent = 1
        i += sent
    b.copy_ns += t1 - t0
    b.gcm_ns += t2 - t1
    b.send_ns += thread_ns() - t2
    b.packets += <uint64_t>(count * TRAIN)


cdef void floor_all(Bottom *b, uint64_t fps) noexcept nogil:
    cdef uint64_t due = now_ns()
    cdef int first
    while not load_u64(&b.stopping):
        due += SECOND // fps
        sleep_until(due)
        first = 0
        while first < b.count:
            floor_batch(b, first, b.batch if b.batch < b.count - first else b.count - first, <uint32_t>(due // 11111))
            first += b.batch
        b.frames += 1
        if now_ns() > due + SECOND // 10:
            due = now_ns()


cdef class Floor:
    """Frames of TRAIN packets to `destinations` (ip as a number, port), each with an SRTP session of its own."""

    cdef Bottom *b
    cdef object kept

    def __cinit__(self, keep, int fd, uintptr_t protect, destinations, sessions, bint trains, bytes noise,
                  int batch=64):
        cdef int i, k
        cdef Destination *d
        self.b = <Bottom *>calloc(1, sizeof(Bottom))
        if self.b == NULL:
            raise MemoryError
        self.kept = keep
        self.b.fd = fd
        self.b.protect = <srtp_call>protect
        self.b.count = <int>len(destinations)
        self.b.trains = trains
        self.b.batch = batch
        self.b.destinations = <Destination *>calloc(<size_t>max(1, self.b.count), sizeof(Destination))
        self.b.memory = <uint8_t *>calloc(<size_t>batch, FLOOR_TRAIN)
        self.b.messages = <mmsghdr *>calloc(<size_t>(batch * TRAIN), sizeof(mmsghdr))
        self.b.vectors = <iovec *>calloc(<size_t>(batch * TRAIN), sizeof(iovec))
        self.b.controls = <uint8_t *>calloc(<size_t>(batch * TRAIN), 32)
        if not (self.b.destinations and self.b.memory and self.b.messages and self.b.vectors and self.b.controls):
            raise MemoryError
        for k in range(TRAIN):
            packet = (
                bytes([0x90, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xBE, 0xDE, 0, 2, 0x31, 0, 0, 0x10, 0x30, 0, 0, 0])
                + noise[:PAYLOAD_SIZE]
            )
            memcpy(self.b.source[k], <uint8_t *>packet, FLOOR_PACKET)
        for i, ((ip, port), session) in enumerate(zip(destinations, sessions, strict=True)):
            d = &self.b.destinations[i]
            d.address.sin_family = AF_INET
            d.address.sin_port = htons(port)
            d.address.sin_addr.s_addr = htonl(ip)
            d.outbound = <srtp_t><uintptr_t>session
            d.ssrc = <uint32_t>(1000 + i)

    def __dealloc__(self):
        if self.b == NULL:
            return
        free(self.b.destinations)
        free(self.b.memory)
        free(self.b.messages)
        free(self.b.vectors)
        free(self.b.controls)
        free(self.b)

    def run(self, int fps):
        """The thread; returns after `stop`."""
        with nogil:
            exact_timers()
            floor_all(self.b, <uint64_t>fps)

    def stop(self):
        store_u64(&self.b.stopping, 1)

    def read(self):
        """(packets, unsent, copy ns, GCM ns, send ns) so far; read while it runs, exact to a batch."""
        return (load_u64(&self.b.packets), load_u64(&self.b.unsent), load_u64(&self.b.copy_ns),
                load_u64(&self.b.gcm_ns), load_u64(&self.b.send_ns))
