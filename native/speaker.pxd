"""Who speaks: RFC 6464 levels of the senders in, the two most important members of a room out.

`dominant` is whom everybody hears, `runner_up` is whom the dominant hears: so in a room of two each always hears the
other, even in silence. Both stay until somebody better comes: a challenger must sound like speech and be louder
by a margin for 300 ms, or just be there if the holder of the place was silent for 500 ms. Silence changes
nothing. An empty place takes the first who sends anything.

Loudness is 127 + level in dBov (0 silence, 127 full scale), smoothed: up within about 50 ms, down within about
500. A sender without the extension counts as just above the speech threshold for as long as it sends at all, so that
it is heard, but gives way to anyone measured who talks. All state of one sender is in its Level; a room has no
capacity.

How loud somebody is is told (`level_news`) when it has changed by 3 dB, and when it has become nothing at all.

Times are ns and not 0 (0 means never). One thread owns a Speakers and the Levels considered by it.
"""

from libc.stdint cimport uint32_t, uint64_t, uint8_t

cdef enum:
    SPEAKER_NONE = 0  # no sender's id

cdef enum SpeakerChange:  # bits
    SPEAKER_DOMINANT_CHANGED = 1
    SPEAKER_RUNNER_UP_CHANGED = 2

cdef struct Level:
    double loudness
    uint64_t at  # of the newest packet
    uint64_t spoke  # when it last was above the speech threshold
    uint64_t considered
    uint64_t over_dominant  # louder than the holder of the place since then; 0: is not
    uint64_t over_runner_up
    uint32_t epoch  # of the Speakers for which the two above were measured
    uint8_t voiced  # has set the voice bit at least once, so its absence means something
    uint8_t told  # its loudness as the control plane knows it

cdef struct Speaker:
    uint32_t id
    double loudness
    uint64_t at
    uint64_t spoke

cdef struct Speakers:
    Speaker dominant
    Speaker runner_up
    uint32_t epoch

cdef void level_init(Level *l) noexcept nogil
cdef void level_packet(Level *l, uint8_t level_dbov, bint voice, uint64_t now) noexcept nogil
cdef void level_unmeasured(Level *l, uint64_t now) noexcept nogil  # a packet without the extension
cdef void level_silence(Level *l) noexcept nogil
cdef double level_now(const Level *l, uint64_t now) noexcept nogil
cdef int level_news(const Level *l, uint64_t now) noexcept nogil  # 0 to 127 to be told and noted in `told`, -1: no news

cdef void speakers_init(Speakers *s) noexcept nogil
cdef int speakers_consider(Speakers *s, uint32_t id, Level *l, uint64_t now) noexcept nogil  # SpeakerChange bits
cdef int speakers_remove(Speakers *s, uint32_t id) noexcept nogil  # SpeakerChange bits
cdef uint32_t speakers_speaking(const Speakers *s, uint64_t now) noexcept nogil


cdef inline uint32_t speakers_heard_by(const Speakers *s, uint32_t id) noexcept nogil:
    """Whom this member hears: the dominant, or the runner-up if it is the dominant itself; or SPEAKER_NONE."""
    return s.runner_up.id if s.dominant.id == id else s.dominant.id
