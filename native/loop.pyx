"""A worker's life; loop.pxd states the rules."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from native.crypto cimport srtp_t
from native.egress cimport request_key, wake_worker
from native.feedback cimport tick
from native.history cimport history_clear
from native.ingress cimport arrive_from_others, name_dominant, receive
from native.os cimport (
    AF_INET, AF_INET6, EFD_CLOEXEC, EFD_NONBLOCK, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLIN, close, epoll_create1,
    epoll_ctl, epoll_event, epoll_wait, eventfd, exchange_u32, load_u32, now_ns, read, sockaddr_in, sockaddr_in6, wall_ns,
)
from native.pool cimport pool_close, pool_open
from native.ring cimport ring_close, ring_commit, ring_free, ring_open, ring_peek, ring_release, ring_reserve
from native.rtp cimport put_u16, send_time
from native.speaker cimport level_silence, speakers_remove
from native.state cimport (
    ARENA_BYTES, MAX_PEERS, MAX_PUBLICATIONS, OP_ADDRESS_ADD, OP_ADDRESS_REMOVE, OP_ADDRESS_SELECT,
    OP_BUS_CLOSE, OP_BUS_OPEN, OP_KEY_REQUEST, OP_PEER_CLOSE, OP_PEER_CONFIGURE, OP_PEER_KEYS, OP_PEER_OPEN,
    OP_PUBLICATION_BUS, OP_PUBLICATION_CLOSE, OP_PUBLICATION_CUT, OP_PUBLICATION_OPEN, OP_SUBSCRIPTION_CLOSE,
    OP_SUBSCRIPTION_OPEN, OP_SWAP, RECEIVE_BYTES, RECEIVE_MESSAGES, Address, AddressEntry, Bus, Command, Cross, Notice,
    Peer, PeerConfig, Publication, Subscription,
)
from native.table cimport address_equal, address_put, address_remove

cdef enum:
    COMMANDS = 4096
    RETIRED = 16384      # more than the commands in flight can retire
    RETIRED_AT_ONCE = 4  # the most that one command retires
    CROSS = 4096         # packets in flight between two workers
    ADDRESSES = 65536    # eight paths a peer, half full
    TICK_NS = 10_000_000       # feedback is looked after when so much time has passed and something wakes us …
    TICK_LATE_NS = 20_000_000  # … or, if nothing does, after so much
    # Without media for so long, the tick sleeps: by then it has emptied the histories, and told that all is silent.
    ACTIVE_NS = 4_000_000_000
    EVENTS = 32
    WAKE = 0xFFFFFFFF    # the eventfd among the sockets' indices


cdef int worker_open(Worker *w, unsigned long slabs, unsigned long notices) noexcept nogil:
    """Make what a worker owns, its sockets given; -1 if the system refuses memory or descriptors.

    `slabs` is the ceiling of packets held. worker_close frees everything, after a failure too.
    """
    cdef uint32_t i
    cdef epoll_event event
    w.epoll = epoll_create1(EPOLL_CLOEXEC)
    w.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
    if w.epoll < 0 or w.wake < 0:
        return -1
    if pool_open(&w.pool, slabs) != 0:
        return -1
    if ring_open(&w.commands, COMMANDS, sizeof(Command)) != 0 or ring_open(&w.retired, RETIRED, 8) != 0:
        return -1
    if ring_open(&w.notices, notices, sizeof(Notice)) != 0:
        return -1
    for i in range(w.n_workers):
        if i != w.index and ring_open(&w.inbound[i], CROSS, sizeof(Cross)) != 0:
            return -1
    w.addresses.entries = <AddressEntry *>calloc(ADDRESSES, sizeof(AddressEntry))
    w.addresses.mask = ADDRESSES - 1
    w.peers = <Peer **>calloc(MAX_PEERS, sizeof(void *))
    w.publishers = <Peer **>calloc(MAX_PEERS, sizeof(void *))
    w.publications = <Publication **>calloc(MAX_PUBLICATIONS, sizeof(void *))
    w.work = <Publication **>calloc(MAX_PUBLICATIONS, sizeof(void *))
    w.receiver.buffers = <uint8_t *>calloc(RECEIVE_MESSAGES, RECEIVE_BYTES)
    if (
        w.addresses.entries == NULL or w.peers == NULL or w.publishers == NULL or w.publications == NULL
        or w.work == NULL or w.receiver.buffers == NULL
    ):
        return -1
    for i in range(RECEIVE_MESSAGES):
        w.receiver.vectors[i].iov_base = w.receiver.buffers + i * RECEIVE_BYTES
        w.receiver.vectors[i].iov_len = RECEIVE_BYTES
        w.receiver.messages[i].msg_hdr.msg_name = &w.receiver.names[i]
        w.receiver.messages[i].msg_hdr.msg_iov = &w.receiver.vectors[i]
        w.receiver.messages[i].msg_hdr.msg_iovlen = 1
        w.receiver.messages[i].msg_hdr.msg_control = &w.receiver.control[i][0]
    event.events = EPOLLIN
    event.data.u32 = WAKE
    if epoll_ctl(w.epoll, EPOLL_CTL_ADD, w.wake, &event) != 0:
        return -1
    for i in range(w.n_sockets):
        w.senders[i].fd = w.sockets[i]
        w.senders[i].segments = 1
        w.senders[i].arena = <uint8_t *>calloc(1, ARENA_BYTES)
        event.data.u32 = i
        if w.senders[i].arena == NULL or epoll_ctl(w.epoll, EPOLL_CTL_ADD, w.sockets[i], &event) != 0:
            return -1
    w.now = now_ns()
    w.wall_offset = wall_ns() - w.now
    return 0


cdef void worker_close(Worker *w) noexcept nogil:
    """Free what worker_open made. Every worker has stopped, and what it held was taken back."""
    cdef uint32_t i
    pool_close(&w.pool)
    ring_close(&w.commands)
    ring_close(&w.retired)
    ring_close(&w.notices)
    for i in range(w.n_workers):
        ring_close(&w.inbound[i])
    free(w.addresses.entries)
    free(w.peers)
    free(w.publishers)
    free(w.publications)
    free(w.work)
    free(w.receiver.buffers)
    for i in range(w.n_sockets):
        free(w.senders[i].arena)
    if w.epoll >= 0:
        close(w.epoll)
    if w.wake >= 0:
        close(w.wake)


cdef void worker_run(Worker *w) noexcept nogil:
    """The loop; returns after `stop` was set and the worker woken."""
    cdef epoll_event events[EVENTS]
    cdef uint64_t drained
    cdef uint32_t i
    cdef int n, k, timeout
    w.now = now_ns()
    w.last_tick_ns = w.now
    while not load_u32(&w.stop):
        timeout = -1
        if w.untold or (w.last_media_ns and w.now - w.last_media_ns < ACTIVE_NS):
            timeout = 0
            if w.last_tick_ns + TICK_LATE_NS > w.now:
                timeout = <int>((w.last_tick_ns + TICK_LATE_NS - w.now + 999_999) // 1_000_000)
        n = epoll_wait(w.epoll, events, EVENTS, timeout)
        w.now = now_ns()
        w.send_time = send_time(w.now)
        w.leaving_ns = w.now
        # The eventfd, then the flag, then the rings: whoever fills a ring from now on wakes us once more. An exchange,
        # because a plain store may become visible after the rings were read.
        for k in range(n):
            if events[k].data.u32 == <uint32_t>WAKE:
                read(w.wake, &drained, 8)
        exchange_u32(&w.awake, 0)
        commands(w)
        if w.n_workers > 1:
            arrive_from_others(w)
        for k in range(n):
            if events[k].data.u32 != <uint32_t>WAKE:
                receive(w, <int>events[k].data.u32)
        if w.now - w.last_tick_ns >= TICK_NS:
            tick(w)
            w.last_tick_ns = w.now
        if w.n_workers > 1:
            for i in range(w.n_workers):
                if w.wake_others[i]:
                    w.wake_others[i] = 0
                    wake_worker(w.workers[i])


cdef inline void retire(Worker *w, void *memory) noexcept nogil:
    """Give something back to the control plane, which frees it."""
    cdef uint64_t *slot
    if memory == NULL:
        return
    slot = <uint64_t *>ring_reserve(&w.retired)
    slot[0] = <uint64_t>memory
    ring_commit(&w.retired)


cdef void commands(Worker *w) noexcept nogil:
    """Carry out what the control plane has asked for, in its order, as long as retirements have room."""
    cdef Command *command
    while ring_free(&w.retired) >= RETIRED_AT_ONCE:
        command = <Command *>ring_peek(&w.commands)
        if command == NULL:
            return
        obey(w, command)
        ring_release(&w.commands)


cdef void obey(Worker *w, Command *c) noexcept nogil:
    cdef Peer *peer = <Peer *>c.a
    cdef Publication *p = <Publication *>c.a
    cdef Bus *bus = <Bus *>c.a
    cdef void *old
    if c.op == OP_SWAP:
        old = (<void **>c.a)[0]
        (<void **>c.a)[0] = c.b
        retire(w, old)
    elif c.op == OP_PEER_OPEN:
        w.peers[peer.slot] = peer
        w.n_peers = max(w.n_peers, peer.slot + 1)
    elif c.op == OP_PEER_CONFIGURE:
        old = peer.config
        peer.config = <PeerConfig *>c.b
        retire(w, old)
        forget_unbound(peer)
    elif c.op == OP_PEER_KEYS:
        peer.srtp_in = <srtp_t>c.b
        peer.srtp_out = <srtp_t>c.c
        peer.rtcp_trailer = <uint8_t>(c.n >> 8)
        peer.rtcp_index_at = <uint8_t>c.n
    elif c.op == OP_PEER_CLOSE:
        peer_close(w, peer)
    elif c.op == OP_ADDRESS_ADD:
        address_put(&w.addresses, &c.address, peer)
        w.last_peer = NULL
    elif c.op == OP_ADDRESS_REMOVE:
        address_remove(&w.addresses, &c.address, peer)
        w.last_peer = NULL
        if address_equal(&c.address, &peer.selected):
            # RFC 7675 5.1: nothing is sent where consent has ended, until another path is selected.
            peer.remote_size = 0
            peer.selected.family = 0
    elif c.op == OP_ADDRESS_SELECT:
        select_address(peer, &c.address)
    elif c.op == OP_PUBLICATION_OPEN:
        publication_open(w, p)
    elif c.op == OP_PUBLICATION_BUS:
        publication_bus(w, p, <Bus *>c.b)
    elif c.op == OP_PUBLICATION_CUT:
        publication_cut(w, p, c.n != 0)
    elif c.op == OP_PUBLICATION_CLOSE:
        publication_close(w, p)
    elif c.op == OP_SUBSCRIPTION_OPEN:
        (<Subscription *>c.a).next = (<Subscription *>c.a).peer.subscriptions
        (<Subscription *>c.a).peer.subscriptions = <Subscription *>c.a
    elif c.op == OP_SUBSCRIPTION_CLOSE:
        subscription_close(w, <Subscription *>c.a)
    elif c.op == OP_BUS_OPEN:
        bus.next = w.buses
        w.buses = bus
    elif c.op == OP_BUS_CLOSE:
        bus_close(w, bus)
    elif c.op == OP_KEY_REQUEST:
        request_key(w, p)


cdef void forget_unbound(Peer *peer) noexcept nogil:
    """SSRCs that belonged to no section may belong to one now."""
    cdef uint32_t i
    cdef uint32_t kept = 0
    for i in range(peer.n_incoming):
        if peer.incoming[i].publication != NULL:
            peer.incoming[kept] = peer.incoming[i]
            kept += 1
    peer.n_incoming = kept


cdef void select_address(Peer *peer, Address *a) noexcept nogil:
    """Where a peer's packets go from now on."""
    cdef sockaddr_in *four = <sockaddr_in *>&peer.remote
    cdef sockaddr_in6 *six = <sockaddr_in6 *>&peer.remote
    memset(&peer.remote, 0, sizeof(peer.remote))
    peer.sock = a.sock
    peer.selected = a[0]
    if a.family == 4:
        four.sin_family = AF_INET
        put_u16(<uint8_t *>&four.sin_port, a.port)
        memcpy(&four.sin_addr, a.ip + 12, 4)
        peer.remote_size = sizeof(sockaddr_in)
    else:
        six.sin6_family = AF_INET6
        put_u16(<uint8_t *>&six.sin6_port, a.port)
        memcpy(&six.sin6_addr, a.ip, 16)
        peer.remote_size = sizeof(sockaddr_in6)


cdef void publication_open(Worker *w, Publication *p) noexcept nogil:
    cdef Peer *peer = p.peer
    w.publications[p.slot] = p
    w.n_publications = max(w.n_publications, p.slot + 1)
    if peer == NULL:
        return
    peer.publications[peer.n_publications] = p
    peer.n_publications += 1
    if peer.publisher_index < 0:
        peer.publisher_index = w.n_publishers
        w.publishers[w.n_publishers] = peer
        w.n_publishers += 1


cdef void publication_bus(Worker *w, Publication *p, Bus *bus) noexcept nogil:
    """Into a room's audio, or out of it (NULL)."""
    if p.bus != NULL and p.bus != bus and speakers_remove(&p.bus.speakers, p.key):
        name_dominant(w, p.bus)
    p.bus = bus


cdef void publication_cut(Worker *w, Publication *p, bint cut) noexcept nogil:
    """From this moment on nobody hears or sees it, nor is sent again what came before; or all of that no longer."""
    if p.cut == cut:
        return
    p.cut = cut
    if not cut:
        if not p.is_mirror:
            request_key(w, p)
        return
    p.key_wanted = 0
    level_silence(&p.level)
    if p.bus != NULL and speakers_remove(&p.bus.speakers, p.key):
        name_dominant(w, p.bus)
    history_clear(&p.history, &w.pool)


cdef void publication_close(Worker *w, Publication *p) noexcept nogil:
    cdef Peer *peer = p.peer
    cdef uint32_t i, kept
    publication_bus(w, p, NULL)
    if peer != NULL:
        # Until the next configuration, or the end of the peer, an SSRC must not be bound to what is freed.
        for i in range(peer.config.n_sections):
            if peer.config.sections[i].publication == p:
                peer.config.sections[i].publication = NULL
    history_clear(&p.history, &w.pool)
    w.publications[p.slot] = NULL
    if peer != NULL:
        kept = 0
        for i in range(peer.n_publications):
            if peer.publications[i] != p:
                peer.publications[kept] = peer.publications[i]
                kept += 1
        peer.n_publications = kept
        kept = 0
        for i in range(peer.n_incoming):
            if peer.incoming[i].publication != p:
                peer.incoming[kept] = peer.incoming[i]
                kept += 1
        peer.n_incoming = kept
        if peer.n_publications == 0:
            w.n_publishers -= 1
            w.publishers[peer.publisher_index] = w.publishers[w.n_publishers]
            w.publishers[peer.publisher_index].publisher_index = peer.publisher_index
            peer.publisher_index = -1
    retire(w, p.route)
    retire(w, p)


cdef void subscription_close(Worker *w, Subscription *s) noexcept nogil:
    cdef Subscription **at = &s.peer.subscriptions
    while at[0] != NULL and at[0] != s:
        at = &at[0].next
    if at[0] == s:
        at[0] = s.next
    retire(w, s.config)
    retire(w, s)


cdef void peer_close(Worker *w, Peer *peer) noexcept nogil:
    """The last word about a peer: its publications, subscriptions and paths were taken away before."""
    w.peers[peer.slot] = NULL
    w.last_peer = NULL
    retire(w, peer.config)
    retire(w, peer.consent)
    retire(w, peer)


cdef void bus_close(Worker *w, Bus *bus) noexcept nogil:
    cdef Bus **at = &w.buses
    while at[0] != NULL and at[0] != bus:
        at = &at[0].next
    if at[0] == bus:
        at[0] = bus.next
    retire(w, bus.listeners)
    retire(w, bus)
