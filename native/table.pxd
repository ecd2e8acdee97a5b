"""Tables of a worker: address to peer, all inline.

An open-addressed hash of addresses that have passed a connectivity check (RFC 8445); whatever comes from
elsewhere belongs to nobody. Deletion shifts back, so there are no tombstones and look-up
stays short. The table is at most half full: its size is fixed by MAX_PEERS and eight paths a peer.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from native.state cimport Address, AddressEntry, AddressTable, Peer


cdef inline uint64_t address_hash(Address *a) noexcept nogil:
    cdef uint64_t *words = <uint64_t *>a.ip
    cdef uint64_t h = words[0] * <uint64_t>0x9E3779B97F4A7C15
    h = (h ^ (h >> 29) ^ words[1]) * <uint64_t>0xBF58476D1CE4E5B9
    h = (h ^ (h >> 32) ^ (<uint64_t>a.port << 16) ^ (<uint64_t>a.family << 8) ^ a.sock) * <uint64_t>0x94D049BB133111EB
    return h ^ (h >> 31)


cdef inline bint address_equal(Address *a, Address *b) noexcept nogil:
    return memcmp(a, b, sizeof(Address)) == 0


cdef inline Peer *address_find(AddressTable *table, Address *key) noexcept nogil:
    """The peer whose checked path this is, or NULL."""
    cdef uint64_t at = address_hash(key) & table.mask
    while table.entries[at].peer != NULL:
        if address_equal(&table.entries[at].key, key):
            return table.entries[at].peer
        at = (at + 1) & table.mask
    return NULL


cdef inline bint address_put(AddressTable *table, Address *key, Peer *peer) noexcept nogil:
    """Give the path to `peer`, taking it from another if need be. False when the table is half full."""
    cdef uint64_t at = address_hash(key) & table.mask
    while table.entries[at].peer != NULL:
        if address_equal(&table.entries[at].key, key):
            table.entries[at].peer = peer
            return True
        at = (at + 1) & table.mask
    if table.count * 2 > table.mask:
        return False
    table.entries[at].key = key[0]
    table.entries[at].peer = peer
    table.count += 1
    return True


cdef inline void address_take(AddressTable *table, uint64_t at) noexcept nogil:
    """Empty a slot and shift back those that were pushed past it."""
    cdef uint64_t hole = at
    cdef uint64_t home
    table.entries[hole].peer = NULL
    table.count -= 1
    while True:
        at = (at + 1) & table.mask
        if table.entries[at].peer == NULL:
            return
        home = address_hash(&table.entries[at].key) & table.mask
        # Movable if its home is not inside (hole, at], going round.
        if ((at - home) & table.mask) >= ((at - hole) & table.mask):
            table.entries[hole] = table.entries[at]
            table.entries[at].peer = NULL
            hole = at


cdef inline void address_remove(AddressTable *table, Address *key, Peer *peer) noexcept nogil:
    """Forget the path if it is this peer's."""
    cdef uint64_t at = address_hash(key) & table.mask
    while table.entries[at].peer != NULL:
        if address_equal(&table.entries[at].key, key):
            if table.entries[at].peer == peer:
                address_take(table, at)
            return
        at = (at + 1) & table.mask
