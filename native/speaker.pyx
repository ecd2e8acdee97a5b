"""The bodies of speaker.pxd."""

from libc.math cimport exp
from libc.stdint cimport uint32_t, uint64_t, uint8_t

cdef enum:
    MS = 1000000
    ATTACK_NS = 50 * MS
    DECAY_NS = 500 * MS
    # Longer than Opus' own pauses would be silence; DTX still sends a packet each 400 ms, which decays in between.
    QUIET_NS = 100 * MS
    HOLD_NS = 300 * MS  # how long a challenger must be louder
    SILENT_NS = 500 * MS  # from here on the holder of a place is not in the middle of a sentence
    GAP_NS = 200 * MS  # a challenger not heard for so long starts over
    SPEAKING_NS = 2000 * MS

    SPEECH = 75  # -52 dBov: quiet speech at a usual microphone, above a room's noise
    MARGIN = 5  # dB
    UNMEASURED = SPEECH + 2
    UNVOICED = 20  # dB taken off where a sender that marks voice does not

    STEP = 3  # dB that are worth telling: less is the flicker of one voice
    UNTOLD = 255  # in `told`: whatever it is, it is news


cdef double faded(double loudness, uint64_t at, uint64_t now) noexcept nogil:
    """What is left of it when nothing was heard since."""
    if now <= at + QUIET_NS:
        return loudness
    return loudness * exp(-<double>(now - at - QUIET_NS) / DECAY_NS)


cdef void sample(Level *l, double loudness, uint64_t now) noexcept nogil:
    cdef double passed
    l.loudness = faded(l.loudness, l.at, now)
    # After a pause the first packet counts as 20 ms of sound, not as all of the pause.
    passed = <double>(now - l.at) if now - l.at <= QUIET_NS else 20.0 * MS
    l.loudness += (loudness - l.loudness) * (1 - exp(-passed / (ATTACK_NS if loudness > l.loudness else DECAY_NS)))
    l.at = now
    if l.loudness >= SPEECH:
        l.spoke = now


cdef void level_init(Level *l) noexcept nogil:
    l.loudness = 0
    l.at = 0
    l.spoke = 0
    l.considered = 0
    l.over_dominant = 0
    l.over_runner_up = 0
    l.epoch = 0
    l.voiced = 0
    l.told = 0


cdef void level_packet(Level *l, uint8_t level_dbov, bint voice, uint64_t now) noexcept nogil:
    cdef double loudness = 127 - (level_dbov & 127)
    if voice:
        l.voiced = 1
    elif l.voiced:
        loudness = loudness - UNVOICED if loudness > UNVOICED else 0
    sample(l, loudness, now)


cdef void level_unmeasured(Level *l, uint64_t now) noexcept nogil:
    sample(l, UNMEASURED, now)


cdef void level_silence(Level *l) noexcept nogil:
    """What it has said so far is forgotten, and that it is silent is told."""
    l.loudness = 0
    l.spoke = 0
    l.told = UNTOLD


cdef double level_now(const Level *l, uint64_t now) noexcept nogil:
    return faded(l.loudness, l.at, now)


cdef int level_news(const Level *l, uint64_t now) noexcept nogil:
    cdef int loudness
    if l.told == 0 and l.loudness < STEP - 0.5:
        return -1  # silent as before: most of a large room
    loudness = <int>(level_now(l, now) + 0.5)
    if loudness == 0:
        return 0 if l.told else -1
    return loudness if abs(loudness - <int>l.told) >= STEP else -1


cdef void vacate(Speaker *place) noexcept nogil:
    place.id = SPEAKER_NONE
    place.loudness = 0
    place.at = 0
    place.spoke = 0


cdef void occupy(Speaker *place, uint32_t id, const Level *l) noexcept nogil:
    place.id = id
    place.loudness = l.loudness
    place.at = l.at
    place.spoke = l.spoke


cdef int beats(const Speaker *place, const Level *l, uint64_t *since, uint64_t now) noexcept nogil:
    """Whether the challenger may have the place now; `since` remembers how long it has been louder."""
    cdef bint silent = place.spoke == 0 or now - place.spoke > SILENT_NS
    # Over somebody silent no margin is needed: speech just above the threshold would be nobody's.
    if l.loudness < SPEECH or (not silent and l.loudness < faded(place.loudness, place.at, now) + MARGIN):
        since[0] = 0
        return 0
    if since[0] == 0:
        since[0] = now
    return 1 if silent or now - since[0] >= HOLD_NS else 0


cdef void speakers_init(Speakers *s) noexcept nogil:
    vacate(&s.dominant)
    vacate(&s.runner_up)
    s.epoch = 1


cdef int speakers_consider(Speakers *s, uint32_t id, Level *l, uint64_t now) noexcept nogil:
    if l.epoch != s.epoch or now - l.considered > GAP_NS:
        l.epoch = s.epoch
        l.over_dominant = 0
        l.over_runner_up = 0
    l.considered = now
    if id == s.dominant.id:
        occupy(&s.dominant, id, l)
        return 0
    if s.dominant.id == SPEAKER_NONE:
        occupy(&s.dominant, id, l)
        s.epoch += 1
        return SPEAKER_DOMINANT_CHANGED
    if beats(&s.dominant, l, &l.over_dominant, now):
        # Who was dominant is heard by the new one: they are most likely talking to each other.
        s.runner_up = s.dominant
        occupy(&s.dominant, id, l)
        s.epoch += 1
        return SPEAKER_DOMINANT_CHANGED | SPEAKER_RUNNER_UP_CHANGED
    if id == s.runner_up.id:
        occupy(&s.runner_up, id, l)
        return 0
    if s.runner_up.id == SPEAKER_NONE or beats(&s.runner_up, l, &l.over_runner_up, now):
        occupy(&s.runner_up, id, l)
        s.epoch += 1
        return SPEAKER_RUNNER_UP_CHANGED
    return 0


cdef int speakers_remove(Speakers *s, uint32_t id) noexcept nogil:
    cdef int changed = 0
    if id == s.dominant.id and id != SPEAKER_NONE:
        changed = SPEAKER_DOMINANT_CHANGED
        if s.runner_up.id != SPEAKER_NONE:
            changed |= SPEAKER_RUNNER_UP_CHANGED
        s.dominant = s.runner_up
        vacate(&s.runner_up)
    elif id == s.runner_up.id and id != SPEAKER_NONE:
        changed = SPEAKER_RUNNER_UP_CHANGED
        vacate(&s.runner_up)
    if changed:
        s.epoch += 1
    return changed


cdef uint32_t speakers_speaking(const Speakers *s, uint64_t now) noexcept nogil:
    """Whom to name: the dominant while its last speech is less than two seconds ago, else SPEAKER_NONE."""
    if s.dominant.spoke and now - s.dominant.spoke < SPEAKING_NS:
        return s.dominant.id
    return SPEAKER_NONE
