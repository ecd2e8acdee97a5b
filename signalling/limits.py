"""Limits on what a socket may send and on what may wait for it, and the meters that enforce rates.

The meters are pure: they are told the time. Every constant has a test of its name's meaning in tests/signalling.
"""

from collections import deque

MAX_FRAME_BYTES = 1024 * 1024
"""Longest text frame; a longer one closes the socket with 1009."""

OUTBOX_MESSAGES = 1000
"""Messages waiting for one socket; the next one closes it with 4008."""

OUTBOX_CHARS = 8 * 1024 * 1024
"""Characters waiting for one socket, beside the first message; more close it with 4008."""

WRITE_CHARS = 16 * 1024
"""A socket is handed what waits for it in one write, until so many characters are reached."""

FLOOD_REFUSALS = 200
KPOINT_FLOOD_REFUSALS = 400
FLOOD_WINDOW_S = 10.0
"""So many messages refused within so many seconds close the socket with 4029; on KPOINT's socket the second number."""

FLOOD_UNIT_BYTES = 16 * 1024
"""A message counts against its socket's allowance once for every so many bytes that it begins; one that is longer and
refused is not even parsed, so the refusal has no id."""

CLOSE_TIMEOUT_S = 5.0
"""Time for a closing socket to take what is already written; then it is left."""

AUTH_WINDOW_S = 60.0
"""Failed proofs of identity count for so long; `auth_failures_per_minute` of them are answered 429."""

AUTH_KEYS = 10_000
"""Users and addresses whose failures are remembered; the longest unused one is forgotten first."""

CALL_ID_CHARS = 128
"""A call id; 400."""

NAME_CHARS = 255
"""A display name, a user name, a device, the id or name of a room; 400."""

SECRET_CHARS = 1024
"""A password or device token as sent; 400."""

TOKEN_CHARS = 8192
"""An auth token as sent; 400."""

CP_CODE_CHARS = 64
"""A licence's code in the configuration or in a command; longer ones are refused."""

MAX_SIZE_PX = 8192
"""Largest width or height that a subscriber may ask for; 400."""

REACTION_CHARS = 64
"""A reaction; 400."""

INVITED = 50
"""People invited by one request; 400."""

INVITED_CHARS = 64
"""An extension, number or user name that is invited; 400."""

RINGING_INVITATIONS = 200
"""Invitations that ring at once in one room; 429."""

USER_SOCKETS = 20
"""Sockets registered for one user; 429."""

WAITING_PARTIES = 500
"""Parties in the waiting room of one room; 429."""

KNOCKS_BURST = 100
KNOCKS_PER_S = 10
"""Parties that may begin to wait for one room, or do so again, at once and in the long run; 429. All inside hear of each."""

REMINDER_INTERVAL_S = 5.0
"""Least time between two reminders of one waiting party that are passed on; those between are dropped."""

SPEAKER_INTERVAL_S = 0.3
"""Least time between two announcements of the active speaker."""

LEVEL_INTERVAL_S = 0.2
"""Least time between two announcements of one member's level."""

LEVEL_STEP = 3
"""A level that has changed by less, of 127, has not changed; silence always has."""

ROOM_LEVELS_PER_S = 2000
"""Announcements of levels in one room in the long run, each counted once for each listener; further ones wait."""

KPOINT_ID_CHARS = 64
"""A KPOINT user's id, and a room's by which KPOINT enters it; 445."""

KPOINT_TEXT_CHARS = 256
"""A title, name or device as KPOINT sends it; 445."""

KPOINT_MESSAGE_BYTES = 64 * 1024
"""A KPOINT message to others: a chat's text, an inform's JSON; 445."""

KPOINT_CAPACITY = 1_000_000_000
"""Largest capacity of a room; 445."""

KPOINT_JSON_DEPTH = 64
"""Arrays and objects within each other in one KPOINT message; 400."""

GROUP_INVITED = 1000
"""Users invited to one breakout room; 445."""

TALKING_LEVEL = 80
"""A member whose level, of 127, is at least that is talking."""

TALKING_QUIET_S = 1.0
"""A member whose level has been lower for so long has stopped talking."""

LICENCE_ROOMS = 1000
"""Rooms of one licence that exist, with or without members; 445."""

UNUSED_ROOM_S = 600.0
"""A room of a licence that nobody has joined goes after so long, if it is one that goes with its last member."""

PERFORM_TIMEOUT_S = 10.0
"""A KPOINT request that has not been carried out by then has no effect; 504."""


class TokenBucket:
    """Admits `burst` at once and `rate_per_s` in the long run."""

    def __init__(self, burst: int, rate_per_s: float, now: float) -> None:
        self._burst = float(burst)
        self._rate_per_s = rate_per_s
        self._tokens = float(burst)
        self._filled = now

    def take(self, now: float, cost: int = 1) -> bool:
        """Whether `cost` is admitted; what costs more than the burst is admitted by a full bucket."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate_per_s)
        self._filled = now
        due = min(float(cost), self._burst)
        if self._tokens < due:
            return False
        self._tokens -= due
        return True


class Tally:
    """Counts what happened within the last `window_s`; remembers no more than `limit` of it."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._times: deque[float] = deque(maxlen=limit)
        self._limit = limit
        self._window_s = window_s

    def add(self, now: float) -> None:
        self._times.append(now)

    def full(self, now: float) -> bool:
        return len(self._times) == self._limit and now - self._times[0] < self._window_s


class Failures:
    """Failed proofs of identity, by the user who was claimed and by the address that claimed it.

    A refusal for having failed too often is no failure itself: whoever waits a minute may try again.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tallies: dict[str, Tally] = {}

    def exceeded(self, key: str, now: float) -> bool:
        tally = self._tallies.get(key)
        return tally is not None and tally.full(now)

    def add(self, key: str, now: float) -> None:
        tally = self._tallies.pop(key, None) or Tally(self._limit, AUTH_WINDOW_S)
        tally.add(now)
        self._tallies[key] = tally
        if len(self._tallies) > AUTH_KEYS:
            del self._tallies[next(iter(self._tallies))]
