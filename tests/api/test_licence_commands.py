"""`atrium licence`, as an administrator uses it: before there is a server, while one runs, and after it is gone."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest

from api.config import Config
from api.keyring import Keyring
from api.licences import ACCESS_TOKENS, LICENCE_KEYS, LicenceKeys, StoredLicences
from api.limits import DOMAIN_CHARS, KEY_DAYS, LICENCE_MAXIMUM
from api.store import Database, Store, sessions
from api.store.sessions import Changes, SessionRecord
from signalling.limits import CP_CODE_CHARS
from tests.api.conftest import Process, Run


def added(run: Run, *arguments: str) -> dict[str, Any]:
    code, out, err = run("licence", "add", *arguments, "--json")
    assert (code, err) == (0, "")
    licence: dict[str, Any] = json.loads(out)
    return licence


def listed(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("licence", "list", "--json")[1])
    return found


def claims(token: str, purpose: str, directory: Path) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(token, Keyring.open(directory).derive(purpose), algorithms=["HS256"])
    return decoded


def test_a_licence_is_made_with_all_that_its_customer_needs(run: Run, tmp_path: Path) -> None:
    licence = added(run, "--domain", "trial", "--room-limit", "5", "--max-users", "20", "--cp-code", "c1",
                    "--start", "2021-01-01", "--end", "2099-12-31 18:00", "--key-days", "30")  # fmt: skip
    assert list(licence) == ["id", "domain", "accessKey", "secretKey", "licenceKey", "cpCode", "authKey"]
    assert licence["id"].isdigit()
    assert (licence["domain"], licence["cpCode"]) == ("trial", "c1")
    assert re.fullmatch("[a-z0-9]{11}", licence["accessKey"])
    assert re.fullmatch("[0-9a-f]{278}", licence["secretKey"])
    auth = claims(licence["authKey"], LICENCE_KEYS, tmp_path)
    assert (auth["maxUser"], auth["startDate"], auth["endDate"]) == ("20", "2021-01-01", "2099-12-31 18:00")
    key = claims(licence["licenceKey"], ACCESS_TOKENS, tmp_path)
    assert (key["domain"], key["exp"] - key["iat"]) == ("trial", 30 * 86_400)
    (entry,) = listed(run)
    assert abs(time.time() - auth["iat"]) < 60
    assert entry == {
        "id": licence["id"],
        "domain": "trial",
        "accessKey": licence["accessKey"],
        "cpCode": "c1",
        "roomLimit": 5,
        "maxUsers": 20,
        "start": "2021-01-01",
        "end": "2099-12-31 18:00",
        "enabled": True,
        "createdAt": entry["createdAt"],
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["createdAt"])


def test_what_is_secret_is_nowhere_afterwards(run: Run, tmp_path: Path) -> None:
    licence = added(run, "--domain", "trial")
    shown = run("licence", "list")[1] + run("licence", "list", "--json")[1]
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for name in ("secretKey", "licenceKey", "authKey"):
        assert licence[name] not in shown
        assert licence[name].encode() not in files


def test_without_json_each_thing_is_a_line(run: Run) -> None:
    code, out, _ = run("licence", "add", "--domain", "https://meet.example:8443")
    assert code == 0
    lines = dict(line.split(": ", 1) for line in out.splitlines())
    assert lines["domain"] == "https://meet.example:8443"
    assert "meet.example" in run("licence", "list")[1]
    (entry,) = listed(run)
    assert (entry["roomLimit"], entry["maxUsers"], entry["start"], entry["end"]) == (None, None, None, None)
    assert re.fullmatch("[a-z0-9]{10}", lines["cpCode"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--domain", "trial"], "there is a licence for 'trial' already"),
        (["--domain", "b", "--cp-code", "c1"], "cp code 'c1' belongs to another licence"),
        (["--domain", ""], "--domain: 1 to 255"),
        (["--domain", "x" * (DOMAIN_CHARS + 1)], "--domain: 1 to 255"),
        (["--domain", "a b"], "--domain: without spaces"),
        (["--domain", "https://a.example/"], "--domain: a word, or an origin"),
        (["--domain", "https://a.example/path"], "--domain: a word, or an origin"),
        (["--domain", "https://A.example"], "--domain: a word, or an origin"),
        (["--domain", "https://ä.example"], "--domain: a word, or an origin"),
        (["--domain", "https://me@a.example"], "--domain: a word, or an origin"),
        (["--domain", "https://a.example:443"], "--domain: a word, or an origin"),
        (["--domain", "http://a.example:80"], "--domain: a word, or an origin"),
        (["--domain", "https://a.example:99999"], "--domain: a word, or an origin"),
        (["--domain", "https://[::1"], "--domain: a word, or an origin"),
        (["--domain", "https://"], "--domain: a word, or an origin"),
        (["--domain", "ftp://a.example"], "--domain: a word, or an origin"),
        (["--domain", "https://a;b"], "--domain: a word, or an origin"),
        (["--domain", "https://*.a.example"], "--domain: a word, or an origin"),
        (["--domain", "https://[::1]:8443"], "--domain: a word, or an origin"),
        (["--domain", "//a.example"], "--domain: a word, or an origin"),
        (["--domain", "b", "--cp-code", ""], "--cp-code: 1 to 64"),
        (["--domain", "b", "--cp-code", "c" * (CP_CODE_CHARS + 1)], "--cp-code: 1 to 64"),
        (["--domain", "b", "--cp-code", "c\n"], "--cp-code: 1 to 64"),
        (["--domain", "b", "--room-limit", "-1"], "--room-limit: 0 to"),
        (["--domain", "b", "--max-users", "-1"], "--max-users: 0 to"),
        (["--domain", "b", "--max-users", str(LICENCE_MAXIMUM + 1)], "--max-users: 0 to"),
        (["--domain", "b", "--start", "tomorrow"], "--start: 'tomorrow' is neither"),
        (["--domain", "b", "--end", "2021-02-30"], "--end: "),
        (["--domain", "b", "--start", "2021-02-02", "--end", "2021-02-01"], "--end: is not after --start"),
        (["--domain", "b", "--start", "2021-02-01T10:00", "--end", "2021-02-01T10:00"], "--end: is not after --start"),
        (["--domain", "b", "--start", "2021-02-01T10:00", "--end", "2021-02-01T00:59Z"], "--end: is not after --start"),
        (["--domain", "b", "--key-days", "0"], "--key-days: 1 to"),
        (["--domain", "b", "--key-days", str(KEY_DAYS + 1)], "--key-days: 1 to"),
    ],
)
def test_an_unfit_licence_is_refused_with_the_reason(run: Run, arguments: list[str], said: str) -> None:
    first = added(run, "--domain", "trial", "--cp-code", "c1")
    code, out, err = run("licence", "add", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("atrium: ")
    assert said in err
    assert [entry["id"] for entry in listed(run)] == [first["id"]]


@pytest.mark.parametrize(
    "arguments",
    [["add"], ["add", "--domain", "b", "--room-limit", "many"], ["disable"], ["key", "trial", "--key-days", "x"]],
)
def test_what_is_not_understood_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    assert run("licence", *arguments)[0] == 2


def test_the_widest_limits_fit_every_database(run: Run, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATRIUM_STORE_URL", store_url)
    widest = str(LICENCE_MAXIMUM)
    licence = added(run, "--domain", "x" * DOMAIN_CHARS, "--cp-code", "ä" * CP_CODE_CHARS, "--room-limit", widest,
                    "--max-users", widest, "--start", "2021-01-01T10:00:00.000000+09:00",
                    "--end", "9999-12-31T23:59:59.999999-12:00", "--key-days", str(KEY_DAYS))  # fmt: skip
    (entry,) = listed(run)
    assert (entry["roomLimit"], entry["end"]) == (LICENCE_MAXIMUM, "9999-12-31T23:59:59.999999-12:00")
    assert licence["domain"] == entry["domain"]


def test_one_day_is_a_term(run: Run) -> None:
    added(run, "--domain", "b", "--start", "2021-02-01", "--end", "2021-02-01")


def test_dates_are_of_the_zone_in_the_configuration(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "atrium.toml"
    path.write_text('[licence]\ntime_zone = "UTC"\n', encoding="utf-8")
    terms = ("--start", "2021-02-01T10:00Z", "--end", "2021-02-01T18:00")
    assert run("licence", "add", "--domain", "b", *terms)[0] == 1
    assert run("licence", "add", "--domain", "b", *terms, "--config", str(path))[0] == 0


def test_a_licence_is_named_by_its_id_its_domain_or_its_access_key(run: Run) -> None:
    licence = added(run, "--domain", "trial")
    for which in (licence["id"], licence["domain"], licence["accessKey"]):
        assert run("licence", "disable", which) == (0, "", "")
        assert [entry["enabled"] for entry in listed(run)] == [False]
        assert run("licence", "disable", which) == (0, "", "")
        assert run("licence", "enable", which) == (0, "", "")
        assert [entry["enabled"] for entry in listed(run)] == [True]
    for command in ("disable", "enable", "key"):
        assert run("licence", command, licence["cpCode"]) == (1, "", f"atrium: no licence {licence['cpCode']!r}\n")


def test_every_command_prints_json(run: Run) -> None:
    licence = added(run, "--domain", "trial")
    for command, enabled in (("disable", False), ("enable", True)):
        code, out, _ = run("licence", command, "trial", "--json")
        assert (code, [json.loads(out)]) == (0, listed(run))
        assert json.loads(out)["enabled"] is enabled
    for command in ("list", "usage", "key"):
        assert json.loads(run("licence", command, *(["trial"] if command != "list" else []), "--json")[1])
    assert licence["id"]


class TestUsage:
    """`licence usage`: the month per room, counted as GET /v1/static counts."""

    SEOUL = timezone(timedelta(hours=9))

    @pytest.fixture
    def licence(self, run: Run, store_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        monkeypatch.setenv("ATRIUM_STORE_URL", store_url)
        return added(run, "--domain", "trial")

    def use(self, tmp_path: Path, store_url: str, licence: dict[str, Any], *uses: tuple[str, datetime, float]) -> None:
        records = [
            SessionRecord(
                id=number,
                licence_id=int(licence["id"]),
                session_id=f"ses_{number}",
                room=str(number),
                room_name=room,
                began_at=began_at,
                until=began_at + timedelta(seconds=seconds),
                running=False,
                visits=1,
            )
            for number, (room, began_at, seconds) in enumerate(uses, int(licence["id"]) * 100)
        ]
        database = Database(tmp_path, store_url)
        changes = Changes(records)
        database.write(partial(sessions.write, changes=changes))
        database.close()

    def test_a_month_by_rooms(self, run: Run, tmp_path: Path, store_url: str, licence: dict[str, Any]) -> None:
        first, last = datetime(2021, 2, 1, tzinfo=self.SEOUL), datetime(2021, 2, 28, 23, 59, 59, tzinfo=self.SEOUL)
        other = added(run, "--domain", "other")
        self.use(tmp_path, store_url, other, ("theirs", first, 5))
        second = timedelta(seconds=1)
        uses = [
            ("a", first, 59.9),
            ("a", last, 3 * 86_400),
            ("b", last, 610),
            ("no", first - second, 9),
            ("no", last + second, 9),
        ]
        self.use(tmp_path, store_url, licence, *uses)
        code, out, _ = run("licence", "usage", "trial", "--month", "2021-02", "--json")
        assert (code, json.loads(out)) == (
            0,
            {
                "id": licence["id"],
                "domain": "trial",
                "month": "2021-02",
                "timeZone": "Asia/Seoul",
                "totalSecond": 59 + 3 * 86_400 + 610,
                "sessions": 3,
                "rooms": [
                    {"roomName": "a", "sessions": 2, "seconds": 59 + 3 * 86_400},
                    {"roomName": "b", "sessions": 1, "seconds": 610},
                ],
            },
        )
        table = [
            line.split() for line in run("licence", "usage", licence["accessKey"], "--month", "2021-02")[1].splitlines()
        ]
        assert table == [
            ["room", "sessions", "time"],
            ["a", "2", "72:00:59"],
            ["b", "1", "0:10:10"],
            ["all", "rooms", "3", "72:11:09"],
        ]

    def test_december_ends_with_the_year(
        self, run: Run, tmp_path: Path, store_url: str, licence: dict[str, Any]
    ) -> None:
        self.use(tmp_path, store_url, licence, ("a", datetime(2021, 12, 31, 23, tzinfo=self.SEOUL), 60))
        for month, seconds in (("2021-11", 0), ("2021-12", 60), ("2022-01", 0)):
            out = run("licence", "usage", "trial", "--month", month, "--json")[1]
            assert json.loads(out)["totalSecond"] == seconds

    def test_the_present_month_unless_told(
        self, run: Run, tmp_path: Path, store_url: str, licence: dict[str, Any]
    ) -> None:
        self.use(tmp_path, store_url, licence, ("now", datetime.now(UTC), 7))
        assert json.loads(run("licence", "usage", "trial", "--json")[1])["totalSecond"] == 7

    @pytest.mark.parametrize("month", ["2021", "2021-13", "2021-02-01", "x", "", "9999-12", "0000-01", "0001-01"])
    def test_what_is_no_month(self, run: Run, licence: dict[str, Any], month: str) -> None:
        code, out, err = run("licence", "usage", "trial", "--month", month)
        assert (code, out) == (1, "")
        assert err.startswith("atrium: --month: ")

    def test_of_nobody(self, run: Run, licence: dict[str, Any]) -> None:
        assert run("licence", "usage", "nobody") == (1, "", "atrium: no licence 'nobody'\n")


def test_a_domain_that_looks_like_an_id_harms_nobody_elses_licence(run: Run) -> None:
    first = added(run, "--domain", "trial")
    added(run, "--domain", first["id"])
    code, _, err = run("licence", "disable", first["id"])
    assert (code, "use the access key" in err) == (1, True)
    assert all(entry["enabled"] for entry in listed(run))
    assert run("licence", "disable", first["accessKey"])[0] == 0
    assert [entry["enabled"] for entry in listed(run)] == [False, True]


def test_a_new_licence_key_and_the_same_auth_key(run: Run, tmp_path: Path) -> None:
    licence = added(run, "--domain", "trial")
    year = claims(licence["licenceKey"], ACCESS_TOKENS, tmp_path)
    assert year["exp"] - year["iat"] == 365 * 86_400
    code, out, _ = run("licence", "key", "trial", "--key-days", "1", "--json")
    assert code == 0
    again = json.loads(out)
    assert list(again) == ["id", "domain", "licenceKey", "cpCode", "authKey"]
    for same in ("id", "domain", "cpCode", "authKey"):
        assert again[same] == licence[same]
    day = claims(again["licenceKey"], ACCESS_TOKENS, tmp_path)
    assert day["exp"] - day["iat"] == 86_400
    assert f"authKey: {licence['authKey']}\n" in run("licence", "key", "trial")[1]


async def test_what_the_command_prints_opens_the_door(run: Run, tmp_path: Path) -> None:
    licence = added(run, "--domain", "trial", "--max-users", "2")
    database = Database(tmp_path)
    keys = LicenceKeys(Keyring.open(tmp_path), Config().licence.zone)
    found = await StoredLicences(Store(database), keys, {}).by_key(licence["cpCode"], licence["authKey"])
    assert found is not None
    assert (found.id, found.max_users) == (licence["id"], 2)
    database.close()


def test_disabling_at_once_needs_no_server(run: Run, start: Callable[..., Process]) -> None:
    licence = added(run, "--domain", "trial")
    assert run("licence", "disable", "trial", "--now") == (0, "", "")
    process = start()
    assert run("licence", "enable", "trial") == (0, "", "")
    assert run("licence", "disable", "trial", "--now") == (0, "", "")
    process.kill()
    assert run("licence", "enable", "trial") == (0, "", "")
    assert run("licence", "disable", "trial", "--now") == (0, "", "")
    assert [(entry["id"], entry["enabled"]) for entry in listed(run)] == [(licence["id"], False)]


def test_a_server_that_does_not_obey_is_told_of(run: Run, tmp_path: Path, start: Callable[..., Process]) -> None:
    added(run, "--domain", "trial")
    start()
    file = tmp_path / "server.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"key": "another"}), encoding="utf-8")
    code, _, err = run("licence", "disable", "trial", "--now")
    assert (code, "bearer key" in err) == (1, True)
    assert [entry["enabled"] for entry in listed(run)] == [False]


def test_a_server_makes_the_licences_of_the_codes_that_it_is_given(run: Run, start: Callable[..., Process]) -> None:
    added(run, "--domain", "taken", "--cp-code", "c1")
    for _ in range(2):
        process = start(ATRIUM_KPOINT_KEYS=json.dumps({"acme": "opaque", "taken": "opaque"}))
        assert process.stop() == 0
    assert [(entry["domain"], entry["cpCode"]) for entry in listed(run)] == [("taken", "c1"), ("acme", "acme")]
