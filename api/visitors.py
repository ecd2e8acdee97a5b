"""What is known of where somebody came from, by address and User-Agent: for the sessions of s-connector (contract section 5.1).

Both look-ups are local; places are places.py's part. What is not known is empty, and nothing here raises.
"""

from functools import lru_cache

import attrs
import ua_parser

from api.limits import USER_AGENT_CHARS
from api.places import Places
from api.session import Visitor
from signalling.ports import Remote

# Browsers that are remembered; most come again.
REMEMBERED = 4096
PRESENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@attrs.frozen
class Browser:
    name: str = ""
    version: str = ""
    system: str = ""
    system_version: str = ""

    def __str__(self) -> str:
        parts = (f"{self.name} {self.version}".strip(), f"{self.system} {self.system_version}".strip())
        return " on ".join(part for part in parts if part)


class Visitors:
    def __init__(self, places: Places | None = None) -> None:
        """Loads the tables, some 0.1 s, so that nobody who joins waits for them."""
        self.place = (places or Places()).place
        self.browser = lru_cache(REMEMBERED)(_browser)
        self.browser(PRESENT)

    def __call__(self, remote: Remote) -> Visitor:
        return Visitor(str(self.place(remote.address)), str(self.browser(remote.user_agent[:USER_AGENT_CHARS])))


def _browser(user_agent: str) -> Browser:
    found = ua_parser.parse(user_agent)
    agent, system = found.user_agent, found.os
    return Browser(
        name="" if agent is None else agent.family,
        version="" if agent is None else _dotted(agent.major, agent.minor, agent.patch, agent.patch_minor),
        system="" if system is None else system.family,
        system_version="" if system is None else _dotted(system.major, system.minor, system.patch),
    )


def _dotted(*numbers: str | None) -> str:
    return ".".join(number for number in numbers if number)
