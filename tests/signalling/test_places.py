"""Places of a licence: as many as there are, each for one, some for a while only."""

import pytest

from signalling.places import Places
from signalling.room.errors import LimitReached


def test_there_are_as_many_places_as_the_limit_says() -> None:
    places = Places()
    places.take("ann", 2, now=0.0)
    places.take("bob", 2, now=0.0)
    with pytest.raises(LimitReached):
        places.take("carl", 2, now=0.0)
    assert places.taken(0.0) == 2
    places.give_back("ann")
    places.take("carl", 2, now=0.0)
    assert "carl" in places and "ann" not in places


def test_without_a_limit_there_is_always_one() -> None:
    places = Places()
    for number in range(100):
        places.take(str(number), None, now=0.0)
    assert places.taken(0.0) == 100


def test_whoever_has_a_place_is_not_refused_another_look_at_it() -> None:
    places = Places()
    places.take("ann", 1, now=0.0)
    places.check("ann", 1, now=0.0)
    places.take("ann", 1, now=0.0)
    assert places.taken(0.0) == 1


def test_who_has_a_place_keeps_it_when_the_limit_has_shrunk() -> None:
    places = Places()
    places.take("ann", 2, now=0.0)
    places.take("bob", 2, now=0.0)
    places.take("bob", 1, now=1.0)
    with pytest.raises(LimitReached):
        places.check("carl", 1, now=1.0)


def test_a_reserved_place_is_given_back_by_time_and_not_a_moment_earlier() -> None:
    places = Places()
    places.take("ann", 1, now=0.0, until=30.0)
    with pytest.raises(LimitReached):
        places.check("bob", 1, now=29.9)
    places.take("bob", 1, now=30.0)
    assert "ann" not in places


def test_who_comes_in_time_has_its_place_for_good() -> None:
    places = Places()
    places.take("ann", 1, now=0.0, until=30.0)
    places.take("ann", 1, now=10.0)
    with pytest.raises(LimitReached):
        places.check("bob", 1, now=1e9)


def test_a_reservation_takes_nothing_from_who_has_come() -> None:
    places = Places()
    places.take("ann", 1, now=0.0)
    places.take("ann", 1, now=1.0, until=31.0)
    assert places.taken(1e9) == 1


def test_giving_back_what_nobody_has_is_nothing() -> None:
    places = Places()
    places.give_back("ann")
    assert places.taken(0.0) == 0
