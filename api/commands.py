"""The command `atrium`: the server, and the administrator's commands beside it.

Commands on keys, users, licences, apps and the dashboard's password open the database themselves, so they work before the first
start and while the server runs. Commands on live rooms ask the running server, found by `DIR/server.json`. Results go to
stdout (`--json`: one JSON value), everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 not understood.
"""

import getpass
import os
import secrets
import sys
import urllib.parse
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import attrs
from cyclopts import App, CycloptsError, Parameter

from api import admin_commands, app_commands, check, licence_commands, logs, passwords
from api.cli import HERE, AsJson, CommandError, Place, ask, check_text, print_json, print_rows
from api.config import ConfigError, load
from api.directory import DEVICE_TOKENS
from api.http import moment
from api.keyring import KeyringError
from api.server import StartError, run
from api.store import StoreError, keys, users
from api.viewers import BEARER_KEYS
from signalling.limits import NAME_CHARS, SECRET_CHARS

app = App(name="atrium", help="A self-hosted WebRTC media server.", result_action="return_value")
key_app = App(name="key", help="Bearer keys of administrators.")
user_app = App(name="user", help="Users of the Room API and of SIP.")
room_app = App(name="room", help="Live rooms of the running server.")
config_app = App(name="config", help="The configuration.")
for group in (key_app, user_app, admin_commands.app, licence_commands.app, app_commands.app, room_app, config_app):
    app.command(group)


@app.command
def serve(
    *,
    place: Place = HERE,
    http: Annotated[str | None, Parameter(help="HOST:PORT of pages, REST and WebSockets; port 0 picks one.")] = None,
    media: Annotated[str | None, Parameter(help="HOST:PORT of media; one port a worker from there.")] = None,
    workers: Annotated[int | None, Parameter(help="Media workers; 0 is one less than there are cores.")] = None,
    demo: Annotated[bool, Parameter(negative="", help="Add an open room and a licence, both `demo`.")] = False,
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
    check_text("--name", name, 128)
    key = secrets.token_urlsafe(32)
    mac = place.keyring().mac(BEARER_KEYS, key)
    with place.database() as database:
        added = database.write(partial(keys.add, name=name, key_mac=mac))
    if json:
        print_json({"id": added.id, "name": added.name, "key": key})
    else:
        print(key)


@key_app.command(name="list")
def key_list(*, place: Place = HERE, json: AsJson = False) -> None:
    """List the bearer keys, not what they are."""
    with place.database() as database:
        found = database.read(keys.all_keys)
    print_rows(
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
    check_text("--username", username, 128)
    if any(letter in username for letter in ' \t:@<>"'):
        raise CommandError("--username: without spaces, quotes and : @ < >")
    if name is not None:
        check_text("--name", name, NAME_CHARS)
    if extension is not None and not (extension.isascii() and extension.isdigit() and len(extension) <= 20):
        raise CommandError("--extension: 1 to 20 digits")
    if (device is None) != (device_token is None):
        raise CommandError("--device and --device-token are given together or not at all")
    if password is None:
        password = getpass.getpass("Password: ")
    check_text("--password", password, SECRET_CHARS)
    keyring = place.keyring()
    entry = None
    if device is not None and device_token is not None:
        check_text("--device", device, 128)
        check_text("--device-token", device_token, SECRET_CHARS)
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
        print_json(_user(added))
    else:
        print(added.id)


@user_app.command(name="list")
def user_list(*, place: Place = HERE, json: AsJson = False) -> None:
    """List the users."""
    with place.database() as database:
        found = database.read(users.all_users)
    print_rows([_user(user) for user in found], ("id", "username", "name", "extension"), json)


@user_app.command(name="remove")
def user_remove(who: str, *, place: Place = HERE) -> None:
    """Remove the user of this id or username."""
    with place.database() as database:
        if not database.write(partial(users.remove, who=who)):
            raise CommandError(f"no user {who!r}")


@room_app.command(name="list")
def room_list(*, place: Place = HERE, json: AsJson = False) -> None:
    """List the live rooms of the running server."""
    live = ask(place, "GET", "/v1/live/rooms")["rooms"]
    if json:
        print_json(live)
    else:
        rows = [{**room, "members": len(room["members"])} for room in live]
        print_rows(rows, ("id", "name", "members", "since"), json)


@room_app.command(name="end")
def room_end(room: str, *, place: Place = HERE) -> None:
    """End a live room: everybody in it leaves; a persistent room stays and may be entered again."""
    ask(place, "DELETE", f"/v1/live/rooms/{urllib.parse.quote(room, safe='')}")


@config_app.command(name="check")
def config_check(*, place: Place = HERE, json: AsJson = False) -> int:
    """Say what would keep the server from starting or from working well, and why."""
    findings = check.findings(place.config, place.data)
    if json:
        print_json([attrs.asdict(finding) for finding in findings])
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
