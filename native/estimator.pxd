"""What the way down to one receiver carries: a bandwidth estimate out of transport-wide feedback.

After draft-ietf-rmcat-gcc-02, with the trendline filter that libwebrtc has in place of its Kalman filter (sections 4 to
6). Three things are measured on what arrived: the acknowledged rate; how the delay between bursts grows (a straight line
through the last TREND_SAMPLES of them, against a threshold that adapts); and losses. Growing delay brings the estimate
down to BETA of what was acknowledged, more than LOSS_HIGH of loss brings it down too, though never below what was acknowledged,
for that does pass; else it grows: multiplicatively, or slowly near a rate at which the way was full before.

Invariants: the estimate is between MIN_BPS and MAX_BPS, and grows no further than GROWTH_LIMIT of what was acknowledged at
that time (and GROWTH_SPARE), however long an application sends little: nothing is sent here to find out more, so what was
never asked of the way is not known of it. It begins with START_BPS and may stay there. Without feedback it stays as it is.

Pure: time is an argument (us above 0, any origin; receiver and sender need not agree on it). What arrives must be given in the order
of sending; stragglers count for the rate alone. tests/oracle/estimator.py is the same, slow and clear.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    START_BPS = 1_000_000
    MIN_BPS = 10_000
    MAX_BPS = 1_000_000_000
    GROWTH_SPARE = 10_000
    RATE_BUCKETS = 10  # of BUCKET_US: what was acknowledged in the last half second
    TREND_SAMPLES = 20

# What the delay says.
cdef enum:
    USAGE_NORMAL = 0
    USAGE_OVER = 1
    USAGE_UNDER = 2

cdef struct Burst:
    # Packets sent within 5 ms, or that arrived faster than they were sent: one observation.
    int64_t first_sent_us
    int64_t sent_us
    int64_t first_arrived_us
    int64_t arrived_us

cdef struct Estimator:
    uint32_t rate_bps    # the estimate
    uint32_t measured    # it rests on feedback, not on START_BPS alone
    double delay_bps     # as far as the delay lets it
    double loss_bps      # as far as losses let it; 0: they set no bound
    double acked_bps     # 0: not known yet
    # The acknowledged rate: bytes by the time of arrival.
    int64_t bucket       # the newest
    int64_t first_bucket
    uint64_t bytes[11]   # RATE_BUCKETS, and the newest, which is not full
    # Bursts.
    int64_t newest_sent_us
    int64_t newest_arrived_us
    uint32_t timed       # the two above are something
    uint32_t bursts      # 0: none; 1: `burst` is being filled; 2: `before` is whole
    uint32_t backwards
    Burst burst
    Burst before
    # The trend.
    uint32_t n_deltas
    uint32_t n_samples
    uint32_t sample_at   # where the next goes
    double sample_ms[TREND_SAMPLES]
    double sample_delay_ms[TREND_SAMPLES]
    int64_t trend_since_us
    double accumulated_ms
    double smoothed_ms
    double trend
    # The detector.
    uint32_t usage
    uint32_t over_count
    double over_ms       # for how long it has been too much; negative: it is not
    double threshold
    int64_t threshold_us  # when it was last adapted; valid with `threshold_set`
    uint32_t threshold_set
    # The control of the rate.
    uint32_t changed     # `changed_us` is something
    int64_t changed_us
    double capacity_bps  # where the delay grew, smoothed; 0: not known
    double capacity_deviation
    # Losses since `loss_us`.
    uint32_t received
    uint32_t lost
    int64_t loss_us

cdef void estimator_init(Estimator *e) noexcept nogil
cdef void estimator_arrived(Estimator *e, int64_t sent_us, int64_t arrived_us, uint32_t size) noexcept nogil
# It was never heard of, since feedback was lost; about then it should have arrived.
cdef void estimator_untold(Estimator *e, int64_t arrived_us, uint32_t size) noexcept nogil
cdef void estimator_lost(Estimator *e) noexcept nogil
# It had been told as lost.
cdef void estimator_found(Estimator *e) noexcept nogil
# All of one feedback packet was given. `rtt_us`: from the sending of the newest packet in it until now.
cdef void estimator_update(Estimator *e, int64_t now_us, int64_t rtt_us) noexcept nogil
