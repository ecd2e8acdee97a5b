"""Where somebody came from: addresses and User-Agents as they arrive, and what is made of them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from api import check
from api.limits import USER_AGENT_CHARS
from api.places import LocationDataError, Place, Places
from api.session import Visitor
from api.visitors import Browser, Visitors
from signalling.ports import Remote

PLAIN = Visitors()

AGENTS = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/87.0.4280.88 Safari/537.36": (
        "Chrome 87.0.4280.88 on Windows 10"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0": "Firefox 146.0 on Linux",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 "
    "Mobile/15E148 Safari/604.1": "Mobile Safari 17.2 on iOS 17.2",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.43 Mobile "
    "Safari/537.36": "Chrome Mobile 120.0.6099.43 on Android 14",
    "something of its own": "",
    "": "",
}


@pytest.mark.parametrize("agent", AGENTS)
def test_the_platform_is_browser_version_and_system(agent: str) -> None:
    assert PLAIN(Remote("", agent)).platform == AGENTS[agent]


def test_parts_are_to_be_had_one_by_one() -> None:
    assert PLAIN.browser("Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0") == Browser(
        "Firefox", "146.0", "Linux", ""
    )


def test_of_a_user_agent_only_so_much_is_looked_at() -> None:
    firefox = " Gecko/20100101 Firefox/146.0"
    assert PLAIN(Remote("", " " * (USER_AGENT_CHARS - len(firefox)) + firefox)).platform == "Firefox 146.0"
    assert PLAIN(Remote("", " " * USER_AGENT_CHARS + firefox)).platform == ""


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("8.8.8.8", "United States"),
        ("2001:4860:4860::8888", "United States"),
        ("168.126.63.1", "Korea (South)"),
        ("127.0.0.1", ""),
        ("10.1.2.3", ""),
        ("192.0.2.1", ""),
        ("fe80::1%eth0", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_country_of_an_address(address: str, country: str) -> None:
    assert PLAIN(Remote(address)).location == country


@given(st.text(), st.text())
def test_whatever_comes_is_no_trouble(address: str, agent: str) -> None:
    assert isinstance(PLAIN(Remote(address, agent)), Visitor)


class TestADataBaseOfOnesOwn:
    @pytest.fixture
    def database(self, tmp_path: Path) -> str:
        writer = MMDBWriter(ip_version=6, ipv4_compatible=True)
        korea = {"iso_code": "KR", "names": {"en": "South Korea", "ko": "\ub300\ud55c\ubbfc\uad6d"}}
        city, where = {"names": {"en": "Seocho-gu"}}, {"latitude": 37.48, "longitude": 127.01}
        writer.insert_network(IPSet(["168.126.63.0/24"]), {"country": korea, "city": city, "location": where})
        region = {"iso_code": "11", "names": {"en": "Seoul"}}
        writer.insert_network(IPSet(["168.126.64.0/24"]), {"country": korea, "subdivisions": [region]})
        writer.insert_network(
            IPSet(["168.126.65.0/24"]),
            {"country": "KR", "city": [1], "subdivisions": "x", "location": {"latitude": "x"}},
        )
        path = tmp_path / "places.mmdb"
        writer.to_db_file(str(path))
        return str(path)

    def test_says_the_place_too(self, database: str) -> None:
        visitors = Visitors(Places(database))
        found = Place("KR", "South Korea", city="Seocho-gu", latitude=37.48, longitude=127.01)
        assert visitors.place("168.126.63.1") == found
        assert visitors(Remote("168.126.63.1")).location == "Seocho-gu, South Korea"
        assert visitors(Remote("168.126.64.1")).location == "Seoul, South Korea"

    def test_of_another_shape_says_nothing(self, database: str) -> None:
        assert Visitors(Places(database)).place("168.126.65.1") == Place()

    def test_what_it_does_not_have_comes_from_our_own_data(self, database: str) -> None:
        assert Visitors(Places(database))(Remote("8.8.8.8")).location == "United States"

    def test_that_cannot_be_read_is_named_at_once(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.mmdb", Path(__file__), tmp_path):
            with pytest.raises(LocationDataError, match=f"analytics.geo_mmdb: {path}"):
                Places(str(path), "analytics.geo_mmdb")

    def test_and_by_the_check_of_the_configuration(self, database: str, tmp_path: Path) -> None:
        def verdict(path: str) -> list[str]:
            config = tmp_path / "atrium.toml"
            config.write_text(f'[http]\nlocation_data = "{path}"\n', encoding="utf-8")
            found = check.findings(config, tmp_path)
            return [finding.verdict for finding in found if finding.what == "location data"]

        assert (verdict(database), verdict("/none.mmdb"), verdict("")) == (["ok"], ["fail"], [])
