"""The command `atrium`: the server, and the administrator's commands beside it.

Commands on keys and users open the database themselves, so they work before the first start and while the server runs.
Commands on live rooms ask the running server, found by `DIR/server.json`. Results go to stdout (`--json`: one JSON
value), everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 not understood.
"""

import getpass
import json
import os
import secrets
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import attrs
from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.table import Table

from api import check, logs, passwords
from api.config import Config, ConfigError, load
from api.directory import DEVICE_TOKENS
from api.http import BEARER_KEYS, moment
from api.keyring import Keyring, KeyringError
from api.server import SERVER_FILE, StartError, run
from api.store import Database, StoreError, keys, users
from signalling.limits import NAME_CHARS, SECRET_CHARS

REQUEST_TIMEOUT_S = 10.0


class CommandError(Exception):
    """The command cannot do what was asked; the message is for the person who asked."""


app = App(name="atrium", help="A self-hosted WebRTC media server.", result_action="return_value")
key_app = App(name="key", help="Bearer keys of administrators.")
user_app = App(name="user", help="Users of the Room API and of SIP.")
room_app = App(name="room", help="Live rooms of the running server.")
config_app = App(name="config", help="The configuration.")
for group in (key_app, user_app, room_app, config_app):
    app.command(group)


@Parameter(name="*")
@attrs.frozen
class Place:
    """Which installation a command is about."""

    data: Annotated[Path, Parameter(help="The data directory.")] = Path("data")
    config: Annotated[Path | None, Parameter(help="The configuration file.")] = None

    def loaded(self) -> Config:
        return load(self.config)

    def directory(self) -> Path:
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"{self.data}: {error.strerror}") from None
        return self.data

    @contextmanager
    def database(self) -> Iterator[Database]:
        database = Database(self.directory(), self.loaded().store.url)
        try:
            yield database
        finally:
            database.close()

    def keyring(self) -> Keyring:
        return Keyring.open(self.directory())


AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
HERE = Place()


@app.command
def serve(
    *,
    place: Place = HERE,
    http: Annotated[str | None, Parameter(help="HOST:PORT of pages, REST and WebSockets; port 0 picks one.")] = None,
    media: Annotated[str | None, Parameter(help="HOST:PORT of media; one port a worker from there.")] = None,
    workers: Annotated[int | None, Parameter(help="Media workers; 0 is one less than there are cores.")] = None,
    demo: Annotated[bool, Parameter(negative="", help="Add an open room `demo`.")] = False,
) -> None:
    """Run the server until SIGTERM or SIGINT."""
    given: dict[tuple[str, str], object] = {
        ("http", "bind"): http,
        ("media", "bind"): media,
        ("media", "workers"): workers,
    }
    config = load(place.config, flags={key: value for key, value in given.items() if value is not None})
    logs.configure()
    run(config, place.directory(), demo=demo)


@key_app.command(name="add")
def key_add(*, name: str, place: Place = HERE, json: AsJson = False) -> None:
    """Make a bearer key. It is shown this once and kept only as a hash."""
    _check_text("--name", name, 128)
    key = secrets.token_urlsafe(32)
    mac = place.keyring().mac(BEARER_KEYS, key)
    with place.database() as database:
        added = database.write(partial(keys.add, name=name, key_mac=mac))
    if json:
        _print_json({"id": added.id, "name": added.name, "key": key})
    else:
        print(key)


@key_app.command(name="list")
def key_list(*, place: Place = HERE, json: AsJson = False) -> None:
    """List the bearer keys, not what they are."""
    with place.database() as database:
        found = database.read(keys.all_keys)
    _print_rows(
        [{"id": key.id, "name": key.name, "created_at": moment(key.created_at)} for key in found],
        ("id", "name", "created_at"),
        json,
    )


@key_app.command(name="remove")
def key_remove(which: str, *, place: Place = HERE) -> None:
    """Remove the keys of this id or name; they stop working at once."""
    with place.database() as database:
        if not database.write(partial(keys.remove, which=which)):
            raise CommandError(f"no key {which!r}")


@user_app.command(name="add")
def user_add(
    *,
    username: str,
    password: Annotated[str | None, Parameter(help="Asked for if it is not given.")] = None,
    extension: Annotated[str | None, Parameter(help="Digits by which the user is called.")] = None,
    name: Annotated[str | None, Parameter(help="Display name.")] = None,
    device: Annotated[str | None, Parameter(help="Name of a device that signs in without the password.")] = None,
    device_token: Annotated[str | None, Parameter(help="What the device proves itself with.")] = None,
    place: Place = HERE,
    json: AsJson = False,
) -> None:
    """Add a user."""
    _check_text("--username", username, 128)
    if any(letter in username for letter in ' \t:@<>"'):
        raise CommandError("--username: without spaces, quotes and : @ < >")
    if name is not None:
        _check_text("--name", name, NAME_CHARS)
    if extension is not None and not (extension.isascii() and extension.isdigit() and len(extension) <= 20):
        raise CommandError("--extension: 1 to 20 digits")
    if (device is None) != (device_token is None):
        raise CommandError("--device and --device-token are given together or not at all")
    if password is None:
        password = getpass.getpass("Password: ")
    _check_text("--password", password, SECRET_CHARS)
    keyring = place.keyring()
    entry = None
    if device is not None and device_token is not None:
        _check_text("--device", device, 128)
        _check_text("--device-token", device_token, SECRET_CHARS)
        entry = users.Device(device, keyring.mac(DEVICE_TOKENS, device_token))
    digests = passwords.sip_digests(username, passwords.SIP_REALM, password)
    with place.database() as database:
        added = database.write(
            partial(
                users.add,
                username=username,
                password_hash=passwords.hashed(password),
                sip_realm=passwords.SIP_REALM,
                sip_digests=keyring.seal(passwords.SIP_DIGESTS, digests),
                display_name=name,
                extension=extension,
                device=entry,
            )
        )
    if json:
        _print_json(_user(added))
    else:
        print(added.id)


@user_app.command(name="list")
def user_list(*, place: Place = HERE, json: AsJson = False) -> None:
    """List the users."""
    with place.database() as database:
        found = database.read(users.all_users)
    _print_rows([_user(user) for user in found], ("id", "username", "name", "extension"), json)


@user_app.command(name="remove")
def user_remove(who: str, *, place: Place = HERE) -> None:
    """Remove the user of this id or username."""
    with place.database() as database:
        if not database.write(partial(users.remove, who=who)):
            raise CommandError(f"no user {who!r}")


@room_app.command(name="list")
def room_list(*, place: Place = HERE, json: AsJson = False) -> None:
    """List the live rooms of the running server."""
    live = _ask(place, "GET", "/v1/live/rooms")["rooms"]
    if json:
        _print_json(live)
    else:
        rows = [{**room, "members": len(room["members"])} for room in live]
        _print_rows(rows, ("id", "name", "members", "since"), json)


@room_app.command(name="end")
def room_end(room: str, *, place: Place = HERE) -> None:
    """End a live room: everybody in it leaves; a persistent room stays and may be entered again."""
    _ask(place, "DELETE", f"/v1/live/rooms/{urllib.parse.quote(room, safe='')}")


@config_app.command(name="check")
def config_check(*, place: Place = HERE, json: AsJson = False) -> int:
    """Say what would keep the server from starting or from working well, and why."""
    findings = check.findings(place.config, place.data)
    if json:
        _print_json([attrs.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.verdict:<5} {finding.what}: {finding.says}")
    return 1 if any(finding.verdict == check.FAIL for finding in findings) else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script."""
    os.umask(0o077)  # databases hold hashes, logs addresses: what is written here is its owner's
    try:
        result = app(arguments, exit_on_error=False, print_error=True)
    except CycloptsError:
        raise SystemExit(2) from None  # what was not understood has been said
    except (CommandError, ConfigError, KeyringError, StartError, StoreError, users.Taken) as error:
        print(f"atrium: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(result if isinstance(result, int) else 0)


def _user(user: Any) -> dict[str, object]:
    return {"id": user.id, "username": user.username, "name": user.display_name, "extension": user.extension}


def _check_text(flag: str, text: str, longest: int) -> None:
    if not 1 <= len(text) <= longest or not text.isprintable():
        raise CommandError(f"{flag}: 1 to {longest} printable characters")


def _ask(place: Place, method: str, path: str) -> Any:
    """Ask the server that runs on this data directory."""
    file = place.data / SERVER_FILE
    try:
        server = json.loads(file.read_text(encoding="utf-8"))
        url, key = server["http"], server["key"]
    except FileNotFoundError:
        raise CommandError(f"no server runs on {place.data} (there is no {file})") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{file}: {error}") from None
    request = urllib.request.Request(url + path, method=method, headers={"Authorization": f"Bearer {key}"})
    # The certificate names the public host, the file this machine: who may read it already has the key.
    context = ssl._create_unverified_context() if url.startswith("https:") else None
    # An environment's proxy has nothing to do with this machine's server.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=REQUEST_TIMEOUT_S) as response:
            body = response.read()
    except urllib.error.HTTPError as error:
        with error:
            raise CommandError(_message(error.read()) or f"the server answered {error.code}") from None
    except OSError as error:
        raise CommandError(f"the server at {url} does not answer: {getattr(error, 'reason', error)}") from None
    return json.loads(body) if body else None


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False))


def _print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        _print_json(rows)
        return
    shown = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
    Console(soft_wrap=True, markup=False).print(shown)
