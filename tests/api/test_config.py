"""What the file, the environment and flags say, and what is said about their mistakes."""

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from api.config import SECTIONS, Address, Config, ConfigError, keys, load
from signalling.settings import KpointSettings

ROOT = Path(__file__).parents[2]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "atrium.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_is_the_defaults() -> None:
    assert load(None, {}) == Config()


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, '[http]\nbind = "127.0.0.1:1"\nping_interval_s = 1\ndrain_deadline_s = 1\n')
    environment = {"ATRIUM_HTTP_BIND": "127.0.0.1:2", "ATRIUM_HTTP_PING_INTERVAL_S": "0.25"}
    config = load(path, environment, {("http", "bind"): "127.0.0.1:3"})
    assert config.http.bind == "127.0.0.1:3"
    assert config.http.ping_interval_s == 0.25
    assert config.http.drain_deadline_s == 1.0


def test_lists_in_the_environment_are_separated_by_commas() -> None:
    config = load(None, {"ATRIUM_HTTP_TRUSTED_PROXIES": "10.0.0.0/8, ::1", "ATRIUM_MEDIA_ANNOUNCE": "192.0.2.1"})
    assert config.http.trusted_proxies == ("10.0.0.0/8", "::1")
    assert config.media.announce == ("192.0.2.1",)


def test_a_table_in_the_environment_is_a_json_object() -> None:
    assert load(None, {"ATRIUM_KPOINT_KEYS": '{"acme": "opaque, key"}'}).kpoint.keys == {"acme": "opaque, key"}


def test_a_table_in_the_file_is_one_there(tmp_path: Path) -> None:
    path = written(tmp_path, '[kpoint]\nrequests_burst = 5\n[kpoint.keys]\nacme = "opaque"\n')
    assert load(path, {}).kpoint == KpointSettings(requests_burst=5, keys={"acme": "opaque"})


def test_dates_are_of_the_zone_that_is_named() -> None:
    assert load(None, {}).licence.zone.key == "Asia/Seoul"
    assert load(None, {"ATRIUM_LICENCE_TIME_ZONE": "UTC"}).licence.zone.key == "UTC"


def test_the_section_with_an_underscore_is_found_in_the_environment() -> None:
    assert load(None, {"ATRIUM_ROOM_API_TOKEN_TTL_S": "0.5"}).room_api.token_ttl_s == 0.5


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[http]\nbnid = '127.0.0.1:1'\n", "http.bnid: unknown key"),
        ("[htpp]\nbind = '127.0.0.1:1'\n", "htpp: unknown key"),
        ("bind = '127.0.0.1:1'\n", "bind: unknown key"),
        ("[rooms]\nlimit = 3\n", "rooms.limit: unknown key"),
        ("[http]\nbind = 8080\n", "http.bind: must be a string"),
        ("[http]\nbind = '127.0.0.1'\n", "http: bind: '127.0.0.1' is not HOST:PORT"),
        ("[http]\nbind = '::1:80'\n", "http: bind: '::1:80' is not HOST:PORT; write an IPv6 address as [HOST]:PORT"),
        ("[http]\nbind = 'localhost:70000'\n", "http: bind: 'localhost:70000' is not HOST:PORT"),
        ("[http]\nping_interval_s = '20'\n", "http.ping_interval_s: must be a number"),
        ("[http]\nping_interval_s = true\n", "http.ping_interval_s: must be a number"),
        ("[http]\nping_interval_s = nan\n", "http.ping_interval_s: must be a number"),
        ("[http]\nping_interval_s = 0\n", "ping_interval_s"),
        ("[http]\ntrusted_proxies = '::1'\n", "http.trusted_proxies: must be a list"),
        ("[http]\ntrusted_proxies = ['::1', 7]\n", "http.trusted_proxies[1]: must be a string"),
        ("[http]\ntrusted_proxies = ['localhost']\n", "'localhost' is neither an address nor a network"),
        ("[http]\ntls_cert = 'a.pem'\n", "http: tls_cert and tls_key are given together"),
        ("[media]\nworkers = 1.5\n", "media.workers: must be a whole number"),
        ("[room_api]\nmembers_bind = ':8080'\n", "room_api.members_bind: ':8080' is not HOST:PORT"),
        ("[room_api]\ninvite_timeout_s = 0\n", "invite_timeout_s"),
        ("[room_api]\nregistration_ttl_s = -1\n", "registration_ttl_s"),
        ("[room_api]\ntoken_ttl_s = 0\n", "token_ttl_s"),
        ("[kpoint]\nrequests_per_s = 0\n", "requests_per_s"),
        ("[kpoint]\nkeys = 'acme'\n", "kpoint.keys: must be a table of keys and values"),
        ("[kpoint.keys]\nacme = 7\n", "kpoint.keys[acme]: must be a string"),
        ("[kpoint.keys]\nacme = ''\n", "kpoint: keys: the key of 'acme' must have 1 to"),
        ("[kpoint.keys]\n'' = 'x'\n", "kpoint: keys: '' is no code of 1 to 64 printable characters"),
        ("[licence]\ntime_zone = 'Asia'\n", "licence: time_zone: 'Asia' is no time zone"),
        ("[licence]\ntime_zone = 'Nowhere/Town'\n", "licence: time_zone: 'Nowhere/Town' is no time zone"),
        ("[licence]\ntime_zone = ''\n", "licence: time_zone: '' is no time zone"),
        ("[licence]\ntime_zone = '/etc/localtime'\n", "licence: time_zone: '/etc/localtime' is no time zone"),
        ("[http\n", "not TOML"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, text: str, named: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(caught.value).startswith(str(path))
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ATRIUM_HTTP_BNID", "x"),
        ("ATRIUM_MEDIA_WORKERS", "many"),
        ("ATRIUM_ROOMS_LIMIT", "3"),
        ("ATRIUM_KPOINT_KEYS", "a"),
    ],
)
def test_an_error_names_the_variable(variable: str, text: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        load(None, {variable: text})


def test_variables_that_name_no_section_are_not_ours() -> None:
    assert load(None, {"ATRIUM_TEST_POSTGRES": "1", "PATH": "/bin"}) == Config()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load(tmp_path / "none.toml", {})


def test_addresses_print_as_they_are_written() -> None:
    assert str(Address.parse("[::1]:80")) == "[::1]:80"
    assert Address.parse("[::1]:80") == Address("::1", 80)
    assert str(Address.parse("localhost:0")) == "localhost:0"


def test_the_sample_has_every_key_at_its_default_and_no_other() -> None:
    text = (ROOT / "atrium.sample.toml").read_text(encoding="utf-8")
    # Keys are commented out, so that a copy of the sample changes nothing; each is a line of its own.
    uncommented = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines())
    tables = tomllib.loads(uncommented)
    assert {section: set(table) for section, table in tables.items()} == {name: set(keys(name)) for name in SECTIONS}
    assert load(None, {}, {(s, k): v for s, table in tables.items() for k, v in table.items()}) == Config()
    assert not any(tomllib.loads(text).values())


def test_each_key_of_the_sample_is_explained() -> None:
    lines = (ROOT / "atrium.sample.toml").read_text(encoding="utf-8").splitlines()
    for line, after in pairwise(lines):
        if after.startswith("# ") and " = " in after:
            assert line.startswith("#") and " = " not in line, f"{after!r} has no comment above it"
