"""What members send, and the one thing that all look at together (contract kpoint, sections 6.4 and 8).

Pure, as the model that owns it. Two roads lead to a shared screen. A KPOINT client starts the share and then publishes the
screen on a connection of its own. A Room API client says that the one picture it sends is that of its screen: it holds
the share if nobody else does and the host permits it, and either way its picture goes on.

Invariants:
- there is at most one share, and who holds it is inside;
- feeds are of members inside, and only who holds the share of a screen has a feed of one;
- `publishing` of a member says whether there is a feed of its camera; who has a feed of its screen has `screen_share`;
- nothing is sent by way of the server in a P2P room.
"""

from typing import assert_never

from attrs import evolve

from sfu.wanted import MediaSource
from signalling.room.commands import Publish, ShareScreen, ShowDocument, StartShare, StopShare
from signalling.room.errors import Forbidden, NothingThere, ShareTaken, WrongKind
from signalling.room.events import (
    DocumentShown,
    Event,
    Published,
    ScreenShareChanged,
    ShareStarted,
    ShareStopped,
    Unpublished,
)
from signalling.room.member import PublishedFeed, Share, ShareKind
from signalling.room.people import People

Command = ShareScreen | Publish | StartShare | ShowDocument | StopShare

SOURCES: tuple[MediaSource, ...] = ("screen", "camera")


class Sharing:
    def __init__(self, people: People) -> None:
        self._people = people
        self._share: Share | None = None
        # What is live, in the order of publishing; an ordered set.
        self._feeds: dict[tuple[str, MediaSource], None] = {}

    @property
    def share(self) -> Share | None:
        return self._share

    @property
    def feeds(self) -> tuple[PublishedFeed, ...]:
        return tuple(PublishedFeed(self._people[member], source) for member, source in self._feeds)

    # --- may it be? ---

    def check(self, command: Command) -> None:
        match command:
            case ShareScreen(member):
                self._people.check_inside(member)
                self._check_media()
            case Publish(member, source, live):
                self._people.check_inside(member)
                self._check_media()
                if live and source == "screen" and not self._holds(member, "screen"):
                    raise Forbidden("who sends a screen has to share it first")
            case StartShare(member, kind):
                self._people.check_permit(member, kind)
                if self._share is not None:
                    raise ShareTaken("something is shared already")
            case ShowDocument(member):
                self._people.check_inside(member)
                if not self._holds(member, "document"):
                    raise Forbidden("who shows a document has to share it first")
            case StopShare(member):
                self._check_stop(member)
            case _:
                assert_never(command)

    def _check_media(self) -> None:
        if self._people.charter.kind == "relay":
            raise WrongKind("the members of this room send to each other")

    def _check_stop(self, by: str) -> None:
        """The host may even if it is not inside."""
        is_host = self._people.is_host(by)
        if not is_host:
            self._people.check_inside(by)
        if self._share is None:
            raise NothingThere("nothing is shared")
        if self._share.member != by and not is_host:
            raise Forbidden("another member shares this")

    # --- what happens ---

    def apply(self, command: Command) -> list[Event]:
        match command:
            case ShareScreen(member, sharing):
                return self.share_screen(member, sharing)
            case Publish(member, source, live):
                return self._publish(member, source, live)
            case StartShare(member, kind):
                return self._start(member, kind)
            case ShowDocument(member, image):
                self._share = Share("document", member, image)
                return [DocumentShown(member, image)]
            case StopShare(by):
                return self._stop(by)
            case _:
                assert_never(command)

    def share_screen(self, member: str, sharing: bool) -> list[Event]:
        """That of the one picture which a member sends."""
        if not sharing:
            stopped = self._stop(member) if self._holds(member, "screen") else []
            return stopped + self._flag_screen(member, False)
        events = self._flag_screen(member, True)
        if self._share is None and self._people.may(member, "screen"):
            events += self._start(member, "screen")
        if self._holds(member, "screen"):
            events += self._publish(member, "screen", live=True)
        return events

    def leave(self, member: str, silently: bool) -> list[Event]:
        """Its share ends first, and then what it sends. `silently`: there is nobody left to look at it."""
        events: list[Event] = []
        if self._share is not None and self._share.member == member:
            self._share = None
            if not silently:
                events.append(ShareStopped(member, by=member))
        for source in SOURCES:
            if (member, source) in self._feeds:
                del self._feeds[member, source]
                events.append(Unpublished(member, source))
        # The flags too, for the host is remembered; nobody is told of flags of somebody who leaves.
        self._people.replace(evolve(self._people[member], publishing=False, screen_share=False))
        return events

    def _start(self, member: str, kind: ShareKind) -> list[Event]:
        self._share = Share(kind, member)
        return [ShareStarted(member, kind)]

    def _stop(self, by: str) -> list[Event]:
        assert self._share is not None
        share, self._share = self._share, None
        stopped = ShareStopped(share.member, by)
        return [stopped, *(self._publish(share.member, "screen", live=False) if share.kind == "screen" else [])]

    def _publish(self, member: str, source: MediaSource, live: bool) -> list[Event]:
        if ((member, source) in self._feeds) == live:
            return []
        if live:
            self._feeds[member, source] = None
        else:
            del self._feeds[member, source]
        if source == "camera":
            self._people.replace(evolve(self._people[member], publishing=live))
        events: list[Event] = [
            Published(PublishedFeed(self._people[member], source)) if live else Unpublished(member, source)
        ]
        return events + self._flag_screen(member, live) if source == "screen" else events

    def _flag_screen(self, member: str, sharing: bool) -> list[Event]:
        changed = evolve(self._people[member], screen_share=sharing)
        return [ScreenShareChanged(member, sharing)] if self._people.replace(changed) else []

    def _holds(self, member: str, kind: ShareKind) -> bool:
        return self._share is not None and (self._share.member, self._share.kind) == (member, kind)
