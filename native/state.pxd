"""What a worker knows: peers, publications, subscriptions, room audio, and itself.

Everything here is made by the control plane, given to one worker by its command ring, and owned by that
worker from then on; the control plane never writes it again. Reports read counters while the worker runs:
they are single words, and a report may be a packet old. What a worker gives up comes back by its `retired` ring and is freed by the control plane
(plane.pyx), which made it.

Immutable parts (PeerConfig, SubscriptionConfig, Route) are built whole and swapped whole between
two batches; nobody edits one.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from native.codecs cimport VpMap
from native.crypto cimport srtp_call, srtp_t
from native.departures cimport Departures
from native.estimator cimport Estimator
from native.history cimport History
from native.os cimport iovec, mmsghdr, sockaddr_storage
from native.pool cimport Packet, Pool
from native.reception cimport Reception
from native.ring cimport Ring
from native.rtp cimport EXT_KINDS
from native.seqmap cimport SeqMap, TsMap
from native.speaker cimport Level, Speakers
from native.twcc cimport TwccLog

cdef enum:
    KIND_AUDIO = 0
    KIND_VIDEO = 1

    MAX_WORKERS = 16
    MAX_SOCKETS = 16        # a worker's: one an address
    MAX_PEERS = 4096        # a worker's
    MAX_PUBLICATIONS = 8192  # a worker's, mirrors included
    MAX_INCOMING = 64       # SSRCs that one peer may send media on, and as many for RTCP; more are dropped and counted
    MAX_LEARNED = 512       # SSRCs that one peer may ever show: libsrtp keeps state for each
    MAX_SECTIONS = 8        # sections that one peer may send on
    MAX_CNAME = 32
    MAX_USERNAME = 513      # RFC 8489 14.3
    MAX_FORMATS = 64        # codecs with their parameters that a server tells apart
    BATCH = 64              # packets of one publication that are forwarded together

    NO_SECTION = 255
    NO_LEVEL = 255

    SEND_MESSAGES = 16      # datagram trains in one sendmmsg: enough to share its cost, few enough that the first leave soon
    ARENA_BYTES = 256 * 1024
    TRAIN_BYTES = 60000     # below the 65,507 of one UDP datagram
    TRAIN_PACKETS = 60      # the kernel takes 64 (UDP_MAX_SEGMENTS of old kernels)
    RECEIVE_MESSAGES = 16
    RECEIVE_BYTES = 65536
    NOTICE_BYTES = 1500
    CONTROL_BYTES = 32      # CMSG_SPACE(2), rounded up generously
    RECEIVE_CONTROL_BYTES = 64

    RESENT = 128            # retransmissions remembered, so that one loss reported twice is answered once

# Named reasons and work counters: the order is that of COUNTER_NAMES in plane.pyx.
cdef enum:
    C_RECEIVED
    C_SENT
    C_SENT_BYTES
    C_SEND_CALLS
    C_DROP_GARBAGE
    C_DROP_OVERSIZED
    C_DROP_TRUNCATED
    C_DROP_NOTICE_RING_FULL
    C_DROP_DTLS_UNVALIDATED
    C_DROP_UNKNOWN_ADDRESS
    C_DROP_NO_KEYS
    C_DROP_RTP_MALFORMED
    C_DROP_EXTENSION_MALFORMED
    C_DROP_PADDING_MALFORMED
    C_DROP_SRTP_AUTH
    C_DROP_SRTP_REPLAY
    C_DROP_SRTP_OLD
    C_DROP_SSRC_LIMIT
    C_DROP_UNKNOWN_SSRC
    C_DROP_UNKNOWN_PAYLOAD
    C_DROP_DUPLICATE
    C_DROP_SEQUENCE_JUMP
    C_DROP_RTX_PROBE
    C_DROP_MUTED
    C_DROP_POOL_FULL
    C_DROP_RTCP_MALFORMED
    C_DROP_RTCP_AUTH
    C_DROP_RTCP_UNKNOWN_SSRC
    C_DROP_RING_FULL
    C_DROP_STALE_ROUTE
    C_DROP_NOT_READY
    C_DROP_NO_CODEC
    C_DROP_AWAITING_KEYFRAME
    C_DROP_LATE
    C_DROP_LARGE_EXTENSION
    C_DROP_PROTECT
    C_DROP_SEND_FULL
    C_DROP_SEND_ERROR
    C_DROP_RTX_UNKNOWN
    C_DROP_RTX_REPEATED
    C_DROP_RTX_BUDGET
    C_GSO_REFUSED
    C_RTX_SENT
    C_RTX_RECEIVED
    C_NACKS_SENT
    C_KEYFRAME_REQUESTS
    C_RTCP_RECEIVED
    C_RTCP_IGNORED
    C_RTCP_SENT
    C_NOTICES
    C_CONSENT_ANSWERED
    N_COUNTERS

cdef struct Address:
    uint8_t ip[16]  # IPv4 in the last four, before them zeros
    uint16_t port   # host order
    uint8_t family  # 4 or 6; 0: no address
    uint8_t sock    # index of the worker's socket

cdef struct AddressEntry:
    Address key
    Peer *peer

cdef struct AddressTable:
    AddressEntry *entries
    uint64_t mask
    uint64_t count

cdef struct PayloadType:
    uint8_t known
    uint8_t codec
    uint8_t format   # the control plane's number for codec and parameters, the same for every peer
    uint8_t rtx_of   # 0, or the payload type that this one retransmits
    uint8_t section  # NO_SECTION when several sections share the type

cdef struct Section:
    uint8_t mid[16]
    uint8_t mid_size
    Publication *publication

cdef struct KnownSsrc:
    uint32_t ssrc
    uint8_t section
    uint8_t is_rtx

cdef struct PeerConfig:
    uint8_t ext_in[256]         # id to kind
    uint8_t ext_out[EXT_KINDS]  # kind to id, 0: not negotiated
    uint8_t two_byte            # the peer takes the two-byte form (RFC 8285 6)
    PayloadType payload_types[128]
    uint8_t n_sections
    Section sections[MAX_SECTIONS]
    uint8_t n_ssrcs
    KnownSsrc ssrcs[MAX_INCOMING]

cdef struct Incoming:
    uint32_t ssrc
    uint8_t is_rtx
    Publication *publication  # NULL: authentic, but of no section; remembered so that it is bounded

cdef struct Consent:
    # What a check must carry to be answered here: immutable, swapped like a config.
    uint32_t inner[5]  # HMAC-SHA-1 states after our password
    uint32_t outer[5]
    uint8_t username[MAX_USERNAME]
    uint16_t username_size

cdef struct Peer:
    uint32_t slot
    srtp_t srtp_in   # NULL until DTLS is done; freed by the control plane after retirement
    srtp_t srtp_out
    PeerConfig *config
    Consent *consent      # NULL: every check goes to the control plane
    uint64_t last_check_ns  # of a check answered here
    sockaddr_storage remote
    Address selected      # the same as `remote`
    uint32_t remote_size  # 0: no path selected yet
    uint8_t sock
    uint32_t owner        # whose it is: a member's peers share it
    TwccLog twcc
    uint32_t n_learned
    uint32_t n_incoming
    Incoming incoming[MAX_INCOMING]
    uint32_t n_reporters
    uint32_t reporters[MAX_INCOMING]  # SSRCs that sent RTCP and are, or were, not among those that send media
    uint32_t n_publications
    Publication *publications[MAX_SECTIONS]
    Subscription *subscriptions  # list by `next`
    int64_t ntp_offset_ns  # sender's NTP clock to ours, the smallest delay seen
    uint8_t ntp_known
    uint8_t cname[MAX_CNAME]
    uint8_t cname_size
    uint64_t next_report_ns
    uint64_t rtx_budget    # bytes that may be retransmitted now: earned by sending
    uint32_t feedback_ssrc
    uint8_t rtcp_trailer   # bytes that SRTCP adds with this peer's profile
    uint8_t rtcp_index_at  # where its E bit is, from the end
    int publisher_index    # place in Worker.publishers, -1: none
    uint64_t packets_in, bytes_in, packets_out, bytes_out
    uint32_t rate_told     # the estimate that the control plane knows; 0: none yet
    uint64_t rate_told_ns
    uint8_t allocations_untold
    Estimator estimator    # of the way down
    Departures departures

cdef struct Publication:
    uint32_t slot
    uint32_t source    # unique while the plane lives, 0 never; changes when the SSRC does
    uint32_t key       # unique while the plane lives; the speaker logic's name for it
    uint32_t owner
    uint8_t kind
    uint8_t is_mirror  # lives on another worker; this is where its packets arrive from there
    uint8_t cut        # an administrator's mute: nothing passes, here nor at its mirrors
    uint8_t muted      # something was dropped since, or until, it was lifted
    uint8_t codec      # of the newest packet
    uint8_t origin_worker
    uint32_t origin_slot
    uint32_t origin_key
    Peer *peer         # NULL for a mirror
    uint32_t ssrc
    uint32_t clock
    Reception reception
    History history
    Level level
    Bus *bus
    Route *route
    uint32_t n_batch
    Packet *batch[BATCH]
    uint8_t in_work    # is on the worker's list of publications with a batch
    uint8_t nack             # the sender answers NACKs
    uint8_t clock_known
    uint8_t clock_reported   # by a sender report; before the first one, by the earliest arrival
    uint32_t clock_ts       # the sender's timestamp …
    uint64_t clock_ns       # … at this moment of our monotonic clock
    uint64_t last_key_request_ns
    uint8_t key_wanted
    uint16_t width, height   # of the newest key frame that told them; 0: none has
    uint64_t packets, bytes, keyframes, recovered, key_requests
    uint64_t first_packet_ns, last_packet_ns, first_keyframe_ns

cdef struct SubscriptionConfig:
    uint8_t taken[MAX_FORMATS]  # this receiver has the format …
    uint8_t pt[MAX_FORMATS]     # … under this payload type
    uint8_t rtx[MAX_FORMATS]    # and its retransmissions under this one; 0: none
    uint8_t mid[16]
    uint8_t mid_size
    uint8_t cname[MAX_CNAME]
    uint8_t cname_size
    uint8_t silent  # nothing is sent, so nothing is reported
    uint8_t numbered  # the receiver reports arrivals of this section by transport-wide numbers

cdef struct Allocation:
    # What of a picture a receiver gets, as the control plane has been told.
    uint32_t key       # the publication; 0: nothing
    uint32_t rate_bps
    uint16_t width
    uint16_t height

cdef struct Resent:
    uint16_t seq
    uint16_t valid
    uint32_t at_ms

cdef struct Subscription:
    Subscription *next
    Peer *peer
    SubscriptionConfig *config
    uint32_t ssrc
    uint32_t rtx_ssrc
    uint16_t rtx_seq
    uint8_t kind
    uint8_t started
    uint32_t source   # the publication's `source` that flows now; 0: none yet
    uint32_t clock
    uint32_t flowing_slot  # the publication whose packet was sent last …
    uint32_t flowing_key   # … if it is still that one
    SeqMap seqmap
    TsMap tsmap
    VpMap vpmap
    uint32_t packets, octets  # as in sender reports, so they wrap
    uint64_t bytes, retransmitted
    uint8_t lost_fraction
    uint32_t lost_total
    uint32_t jitter
    uint32_t rtt_us
    uint32_t nacked
    uint64_t measured_ns   # since then, and from `measured_bytes` on, the rate is being measured
    uint64_t measured_bytes
    uint32_t rate_bps      # smoothed
    uint8_t still          # measurements in a row that found nothing
    Allocation allocation
    Resent resent[RESENT]

cdef struct Remote:
    # The same publication on another worker.
    uint8_t worker
    uint32_t slot
    uint32_t key

cdef struct Route:
    uint32_t n_subscriptions
    uint32_t n_remotes
    Subscription **subscriptions  # in the same block of memory
    Remote *remotes

cdef struct Bus:
    # A room's audio on one worker: every member hears the loudest other.
    uint32_t id
    uint8_t home            # this worker tells the control plane who speaks
    Speakers speakers
    uint32_t dominant_owner
    uint32_t reported       # key of the last speaker told
    Route *listeners        # subscriptions that hear the room
    Bus *next

# Between workers.
cdef enum:
    CROSS_PACKET
    CROSS_CLOCK
    CROSS_KEY_REQUEST

cdef struct Cross:
    uint8_t kind
    uint32_t slot
    uint32_t key      # a publication closed meanwhile does not match
    uint32_t source   # of the packet
    Packet *packet
    uint32_t clock_ts
    uint64_t clock_ns

# From the control plane.
cdef enum:
    OP_SWAP            # *at = value; the old value is retired
    OP_PEER_OPEN
    OP_PEER_CONFIGURE  # as OP_SWAP, and SSRCs are bound anew
    OP_PEER_KEYS       # n: bytes that SRTCP adds << 8 | where its E bit is, from the end
    OP_PEER_CLOSE
    OP_ADDRESS_ADD
    OP_ADDRESS_REMOVE
    OP_ADDRESS_SELECT
    OP_PUBLICATION_OPEN
    OP_PUBLICATION_BUS
    OP_PUBLICATION_CUT
    OP_PUBLICATION_CLOSE
    OP_SUBSCRIPTION_OPEN
    OP_SUBSCRIPTION_CLOSE
    OP_BUS_OPEN
    OP_BUS_CLOSE
    OP_KEY_REQUEST

cdef struct Command:
    int op
    void *a
    void *b
    void *c
    uint64_t n
    Address address

# To the control plane.
cdef enum:
    NOTICE_STUN
    NOTICE_DTLS
    NOTICE_RATE      # id: a peer, whose `rate_told` has changed
    NOTICE_ALLOCATIONS  # id: a peer, of whose subscriptions some `allocation` has changed
    NOTICE_SPEAKER   # number: key of the publication, 0 nobody; id: the bus
    NOTICE_LEVELS    # number: how many LevelNews `data` holds

cdef struct Notice:
    uint8_t kind
    uint8_t known     # the address belongs to a peer
    uint16_t size
    uint32_t id
    uint32_t number
    Address address
    uint8_t data[NOTICE_BYTES]

cdef struct LevelNews:
    uint32_t key    # the publication's
    uint32_t level  # 0 to 127

cdef struct Train:
    # One message being filled: packets of one size to one peer, end to end.
    Peer *peer
    uint32_t at       # in the arena
    uint32_t bytes
    uint32_t segment  # size of every packet but the last
    uint32_t count
    uint32_t closed   # a shorter packet was the last

cdef struct Sender:
    # A socket's outgoing batch.
    int fd
    uint8_t segments   # the kernel takes UDP_SEGMENT
    uint32_t n
    uint32_t used      # arena bytes
    uint8_t *arena
    Train trains[SEND_MESSAGES]
    mmsghdr messages[SEND_MESSAGES]
    iovec vectors[SEND_MESSAGES]
    uint8_t control[SEND_MESSAGES][CONTROL_BYTES]

cdef struct Receiver:
    uint8_t *buffers  # RECEIVE_MESSAGES of RECEIVE_BYTES, used by every socket in turn
    mmsghdr messages[RECEIVE_MESSAGES]
    iovec vectors[RECEIVE_MESSAGES]
    sockaddr_storage names[RECEIVE_MESSAGES]
    uint8_t control[RECEIVE_MESSAGES][RECEIVE_CONTROL_BYTES]

cdef struct Worker:
    uint32_t index
    uint32_t n_workers
    Worker **workers
    uint32_t n_sockets
    int sockets[MAX_SOCKETS]
    int epoll
    int wake              # eventfd: commands, packets from other workers, stop
    uint32_t awake        # the wake is already set (any thread exchanges it)
    uint32_t stop         # set by the control plane
    int notify            # eventfd of the control plane
    uint32_t *notified    # it is already set (any thread exchanges it)
    srtp_call protect, unprotect, protect_rtcp, unprotect_rtcp
    uint64_t now          # of this batch, monotonic
    uint64_t wall_offset  # wall clock less monotonic, read once: one server clock
    uint32_t send_time
    uint64_t leaving_ns   # when what is written now leaves, as nearly as that is known before
    Ring commands
    Ring retired          # uint64_t: what the control plane may free
    Ring notices
    Ring inbound[MAX_WORKERS]  # Cross, written by that worker
    uint8_t wake_others[MAX_WORKERS]
    Pool pool
    AddressTable addresses
    Address last_address
    Peer *last_peer
    Peer **peers
    Publication **publications
    Bus *buses
    uint32_t n_peers       # highest slot in use + 1
    uint32_t n_publications  # the same
    uint32_t n_publishers
    Peer **publishers
    uint32_t n_work
    Publication **work
    uint32_t next_source   # of publications here, made unique by the worker's index
    uint64_t last_tick_ns
    uint64_t last_trim_ns
    uint64_t last_levels_ns
    uint8_t untold         # news found no room: the tick must come again, media or not
    uint64_t turn          # of subscribers' sender reports: the last that was served
    uint64_t last_media_ns
    Receiver receiver
    Sender senders[MAX_SOCKETS]
    uint8_t scratch[2048]  # RTCP or a STUN answer being built
    uint64_t counters[N_COUNTERS]
