"""The bodies of estimator.pxd."""

from libc.math cimport ceil, fabs, pow, sqrt
from libc.string cimport memset

cdef enum:
    SLOTS = RATE_BUCKETS + 1
    BUCKET_US = 50_000
    FEWEST_BUCKETS = 4        # less is no rate yet
    BURST_US = 5_000
    LONGEST_BURST_US = 100_000
    STEP_US = 3_000_000       # so much at once is a clock that was set
    MOST_BACKWARDS = 3
    MOST_DELTAS = 60
    LOSS_US = 300_000         # losses are looked at no oftener, and a round trip later
    LOSS_PACKETS = 20
    LONGEST_RTT_US = 1_000_000
    GROWTH_SPAN_US = 1_000_000  # after a longer silence nothing more is made up for

cdef double SMOOTHING = 0.9
cdef double TREND_GAIN = 4.0
cdef double OVER_MS = 10.0
cdef double THRESHOLD_START = 12.5
cdef double THRESHOLD_MIN = 6.0
cdef double THRESHOLD_MAX = 600.0
cdef double THRESHOLD_JUMP = 15.0   # a spike so far above says nothing of what is usual
cdef double THRESHOLD_UP = 0.0087
cdef double THRESHOLD_DOWN = 0.039
cdef double THRESHOLD_SPAN_MS = 100.0
cdef double BETA = 0.85
cdef double GROWTH_LIMIT = 1.5
cdef double GROWTH = 1.08           # a second
cdef double LEAST_GROWTH_BPS = 1_000.0
cdef double LEAST_SLOW_GROWTH_BPS = 4_000.0
cdef double CAPACITY_WEIGHT = 0.05
cdef double CAPACITY_DEVIATION_MIN = 0.4
cdef double CAPACITY_DEVIATION_MAX = 2.5
cdef double LOSS_LOW = 0.02
cdef double LOSS_HIGH = 0.10


cdef void estimator_init(Estimator *e) noexcept nogil:
    memset(e, 0, sizeof(Estimator))
    e.rate_bps = START_BPS
    e.delay_bps = START_BPS
    forget_timing(e)


cdef void forget_timing(Estimator *e) noexcept nogil:
    """Times so far have nothing to do with those to come."""
    e.timed = 0
    e.first_bucket = e.bucket = -1
    e.bursts = 0
    e.backwards = 0
    e.n_deltas = 0
    e.n_samples = 0
    e.sample_at = 0
    e.accumulated_ms = 0
    e.smoothed_ms = 0
    e.trend = 0
    e.usage = USAGE_NORMAL
    e.over_count = 0
    e.over_ms = -1
    e.threshold = THRESHOLD_START
    e.threshold_set = 0


cdef void estimator_arrived(Estimator *e, int64_t sent_us, int64_t arrived_us, uint32_t size) noexcept nogil:
    cdef int64_t step
    e.received += 1
    if e.timed:
        step = (arrived_us - e.newest_arrived_us) - (sent_us - e.newest_sent_us)
        if step > STEP_US or step < -STEP_US:
            forget_timing(e)
    if not e.timed or sent_us >= e.newest_sent_us:
        e.newest_sent_us = sent_us
        e.newest_arrived_us = arrived_us
        e.timed = 1
    weigh(e, arrived_us, size)
    gather(e, sent_us, arrived_us)


cdef void estimator_untold(Estimator *e, int64_t arrived_us, uint32_t size) noexcept nogil:
    weigh(e, arrived_us, size)


cdef void estimator_lost(Estimator *e) noexcept nogil:
    e.lost += 1


cdef void estimator_found(Estimator *e) noexcept nogil:
    if e.lost:
        e.lost -= 1


# ---- the acknowledged rate -------------------------------------------------------------------------------------------

cdef void weigh(Estimator *e, int64_t arrived_us, uint32_t size) noexcept nogil:
    cdef int64_t bucket = arrived_us // BUCKET_US
    if e.bucket < 0 or bucket > e.bucket + RATE_BUCKETS:
        # The first, or the first after a silence: what is not sent is no measure.
        memset(e.bytes, 0, sizeof(e.bytes))
        e.first_bucket = e.bucket = bucket
    while e.bucket < bucket:
        e.bucket += 1
        e.bytes[e.bucket % SLOTS] = 0
    if bucket >= e.first_bucket and bucket >= e.bucket - RATE_BUCKETS:
        e.bytes[bucket % SLOTS] += size


cdef void measure(Estimator *e) noexcept nogil:
    """What was acknowledged in the buckets that are full; too few of them say nothing new."""
    cdef int64_t n = min(e.bucket - e.first_bucket, <int64_t>RATE_BUCKETS)
    cdef int64_t i
    cdef uint64_t total = 0
    if n < FEWEST_BUCKETS:
        return
    for i in range(e.bucket - n, e.bucket):
        total += e.bytes[i % SLOTS]
    e.acked_bps = total * 8_000_000.0 / (n * BUCKET_US)
    e.measured = 1


# ---- the delay -------------------------------------------------------------------------------------------------------

cdef void begin_burst(Estimator *e, int64_t sent_us, int64_t arrived_us) noexcept nogil:
    e.burst.first_sent_us = e.burst.sent_us = sent_us
    e.burst.first_arrived_us = e.burst.arrived_us = arrived_us


cdef bint in_burst(Burst *b, int64_t sent_us, int64_t arrived_us) noexcept nogil:
    cdef int64_t sent_delta = sent_us - b.sent_us
    cdef int64_t arrived_delta = arrived_us - b.arrived_us
    if sent_us - b.first_sent_us <= BURST_US:
        return True
    # Draft section 5.2: a queue somewhere has let go of them all at once.
    return (
        arrived_delta < sent_delta and arrived_delta <= BURST_US
        and arrived_us - b.first_arrived_us < LONGEST_BURST_US
    )


cdef void gather(Estimator *e, int64_t sent_us, int64_t arrived_us) noexcept nogil:
    """Into the burst that it belongs to; a burst that is over is compared with the one before it."""
    cdef int64_t sent_delta, arrived_delta
    if e.bursts == 0:
        begin_burst(e, sent_us, arrived_us)
        e.bursts = 1
        return
    if sent_us < e.burst.first_sent_us:
        return  # a straggler
    if in_burst(&e.burst, sent_us, arrived_us):
        e.burst.sent_us = max(e.burst.sent_us, sent_us)
        e.burst.arrived_us = max(e.burst.arrived_us, arrived_us)
        return
    if e.bursts == 2:
        sent_delta = e.burst.sent_us - e.before.sent_us
        arrived_delta = e.burst.arrived_us - e.before.arrived_us
        if arrived_delta < 0:
            # Reordered as a whole; if that goes on, the clock went back.
            e.backwards += 1
            if e.backwards >= MOST_BACKWARDS:
                forget_timing(e)
            else:
                begin_burst(e, sent_us, arrived_us)
            return
        e.backwards = 0
        compare(e, arrived_delta / 1000.0, sent_delta / 1000.0, e.burst.arrived_us)
    e.before = e.burst
    e.bursts = 2
    begin_burst(e, sent_us, arrived_us)


cdef void compare(Estimator *e, double arrived_ms, double sent_ms, int64_t at_us) noexcept nogil:
    """One more delay between two bursts: the line through the last of them, and what it says."""
    if e.n_deltas == 0:
        e.trend_since_us = at_us
    e.n_deltas = min(e.n_deltas + 1, <uint32_t>MOST_DELTAS)
    e.accumulated_ms += arrived_ms - sent_ms
    e.smoothed_ms = SMOOTHING * e.smoothed_ms + (1 - SMOOTHING) * e.accumulated_ms
    e.sample_ms[e.sample_at] = (at_us - e.trend_since_us) / 1000.0
    e.sample_delay_ms[e.sample_at] = e.smoothed_ms
    e.sample_at = (e.sample_at + 1) % TREND_SAMPLES
    e.n_samples = min(e.n_samples + 1, <uint32_t>TREND_SAMPLES)
    judge(e, slope(e) if e.n_samples == TREND_SAMPLES else e.trend, sent_ms, at_us)


cdef double slope(Estimator *e) noexcept nogil:
    """Of the straight line with the least squares, over the whole ring."""
    cdef double x = 0, y = 0, above = 0, below = 0
    cdef int i, k
    for i in range(TREND_SAMPLES):
        x += e.sample_ms[i]
        y += e.sample_delay_ms[i]
    x /= TREND_SAMPLES
    y /= TREND_SAMPLES
    for i in range(TREND_SAMPLES):
        k = (<int>e.sample_at + i) % TREND_SAMPLES
        above += (e.sample_ms[k] - x) * (e.sample_delay_ms[k] - y)
        below += (e.sample_ms[k] - x) * (e.sample_ms[k] - x)
    return above / below if below > 0 else e.trend


cdef void judge(Estimator *e, double trend, double sent_ms, int64_t at_us) noexcept nogil:
    """Too much is what stays above the threshold for a while and does not fall."""
    cdef double modified = e.n_deltas * trend * TREND_GAIN
    if e.n_deltas < 2:
        e.usage = USAGE_NORMAL
    elif modified > e.threshold:
        # A first time above it has lasted half of the interval, on average.
        e.over_ms = sent_ms / 2 if e.over_ms < 0 else e.over_ms + sent_ms
        e.over_count += 1
        if e.over_ms > OVER_MS and e.over_count > 1 and trend >= e.trend:
            e.over_ms = 0
            e.over_count = 0
            e.usage = USAGE_OVER
    else:
        e.over_ms = -1
        e.over_count = 0
        e.usage = USAGE_UNDER if modified < -e.threshold else USAGE_NORMAL
    e.trend = trend
    adapt(e, fabs(modified), at_us)


cdef void adapt(Estimator *e, double modified, int64_t at_us) noexcept nogil:
    """Draft section 5.4: the threshold follows what is usual, so that flows that only fill queues do not starve this one."""
    cdef double span_ms
    if not e.threshold_set:
        e.threshold_set = 1
        e.threshold_us = at_us
    if modified <= e.threshold + THRESHOLD_JUMP:
        span_ms = min((at_us - e.threshold_us) / 1000.0, THRESHOLD_SPAN_MS)
        e.threshold += (
            (THRESHOLD_DOWN if modified < e.threshold else THRESHOLD_UP) * (modified - e.threshold) * span_ms
        )
        e.threshold = min(max(e.threshold, THRESHOLD_MIN), THRESHOLD_MAX)
    e.threshold_us = at_us


# ---- the rate --------------------------------------------------------------------------------------------------------

cdef void estimator_update(Estimator *e, int64_t now_us, int64_t rtt_us) noexcept nogil:
    cdef double rate
    rtt_us = min(max(rtt_us, <int64_t>0), <int64_t>LONGEST_RTT_US)
    measure(e)
    if e.acked_bps <= 0:
        return
    by_delay(e, now_us, rtt_us)
    by_loss(e, now_us, rtt_us)
    rate = e.delay_bps
    if e.loss_bps > 0:
        rate = min(rate, e.loss_bps)
    e.rate_bps = <uint32_t>min(max(rate, <double>MIN_BPS), <double>MAX_BPS)


cdef void by_delay(Estimator *e, int64_t now_us, int64_t rtt_us) noexcept nogil:
    cdef int64_t since
    if not e.changed:
        e.changed = 1
        e.changed_us = now_us
    since = now_us - e.changed_us
    if e.usage == USAGE_OVER:
        # Once a round trip, for only then can it have helped.
        if since >= min(max(rtt_us, <int64_t>10_000), <int64_t>200_000) or e.acked_bps < e.delay_bps / 2:
            reduce(e)
            e.changed_us = now_us
    else:
        # While queues empty (under), the rate is held.
        if e.usage == USAGE_NORMAL:
            grow(e, min(since, <int64_t>GROWTH_SPAN_US) / 1e6, rtt_us / 1e6)
        e.changed_us = now_us


cdef void reduce(Estimator *e) noexcept nogil:
    cdef double error
    if e.capacity_bps > 0 and e.acked_bps < e.capacity_bps - 3 * capacity_spread(e):
        e.capacity_bps = 0
    if e.capacity_bps > 0:
        e.capacity_bps += CAPACITY_WEIGHT * (e.acked_bps - e.capacity_bps)
        error = (e.capacity_bps - e.acked_bps) / 1000
        e.capacity_deviation = (1 - CAPACITY_WEIGHT) * e.capacity_deviation + (
            CAPACITY_WEIGHT * error * error / max(e.capacity_bps / 1000, 1.0)
        )
    else:
        e.capacity_bps = e.acked_bps
        e.capacity_deviation = CAPACITY_DEVIATION_MIN
    e.capacity_deviation = min(max(e.capacity_deviation, CAPACITY_DEVIATION_MIN), CAPACITY_DEVIATION_MAX)
    e.delay_bps = max(min(e.delay_bps, BETA * e.acked_bps), <double>MIN_BPS)


cdef double capacity_spread(Estimator *e) noexcept nogil:
    """A standard deviation in bit/s; `capacity_deviation` is a variance in kbit/s, divided by the capacity."""
    return 1000 * sqrt(e.capacity_deviation * e.capacity_bps / 1000)


cdef void grow(Estimator *e, double span_s, double rtt_s) noexcept nogil:
    cdef double limit = GROWTH_LIMIT * e.acked_bps + GROWTH_SPARE
    cdef double more, frame_bits
    if e.capacity_bps > 0 and e.acked_bps > e.capacity_bps + 3 * capacity_spread(e):
        e.capacity_bps = 0  # the way has become wider
    if e.capacity_bps <= 0:
        # What is acknowledged does pass.
        e.delay_bps = max(e.delay_bps, e.acked_bps)
        more = max(e.delay_bps * (pow(GROWTH, span_s) - 1), LEAST_GROWTH_BPS * span_s)
    else:
        # Draft section 5.5: near the capacity a packet each time that a change needs to show.
        frame_bits = e.delay_bps / 30
        more = span_s * max(frame_bits / ceil(frame_bits / (1200 * 8)) / (2 * (rtt_s + 0.1)), LEAST_SLOW_GROWTH_BPS)
    if e.delay_bps < limit:
        e.delay_bps = min(e.delay_bps + more, limit)
    e.delay_bps = min(e.delay_bps, <double>MAX_BPS)


cdef void by_loss(Estimator *e, int64_t now_us, int64_t rtt_us) noexcept nogil:
    cdef int64_t span_us = now_us - e.loss_us
    cdef double loss
    if e.received + e.lost < LOSS_PACKETS or span_us < LOSS_US + rtt_us:
        return
    loss = <double>e.lost / (e.received + e.lost)
    e.received = 0
    e.lost = 0
    e.loss_us = now_us
    if loss > LOSS_HIGH:
        e.loss_bps = max(e.rate_bps * (1 - loss / 2), e.acked_bps)
    elif loss < LOSS_LOW and e.loss_bps > 0:
        e.loss_bps = max(e.loss_bps * pow(GROWTH, min(span_us, <int64_t>GROWTH_SPAN_US) / 1e6), e.acked_bps)
        if e.loss_bps >= e.delay_bps:
            e.loss_bps = 0
