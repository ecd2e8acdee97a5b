"""What all commands share: which installation they are about, its running server, and how results are printed."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import attrs
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from api.config import Config, load
from api.keyring import Keyring
from api.server import SERVER_FILE
from api.store import Database

REQUEST_TIMEOUT_S = 10.0
# Columns of a table: the terminal may break a line, but nothing that one may have to copy is cut.
UNCUT = 10_000


class CommandError(Exception):
    """The command cannot do what was asked; the message is for the person who asked."""


class NoServer(CommandError):
    """No server runs on this data directory."""


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


def check_text(flag: str, text: str, longest: int) -> None:
    if not 1 <= len(text) <= longest or not text.isprintable():
        raise CommandError(f"{flag}: 1 to {longest} printable characters")


def ask(place: Place, method: str, path: str) -> Any:
    """Ask the server that runs on this data directory."""
    file = place.data / SERVER_FILE
    try:
        server = json.loads(file.read_text(encoding="utf-8"))
        url, key = server["http"], server["key"]
    except FileNotFoundError:
        raise NoServer(f"no server runs on {place.data} (there is no {file})") from None
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
        reason = getattr(error, "reason", error)
        # A killed server leaves its file behind.
        kind = NoServer if isinstance(reason, ConnectionRefusedError) else CommandError
        raise kind(f"the server at {url} does not answer: {reason}") from None
    return json.loads(body) if body else None


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False))


def print_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    shown = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*("" if row[column] is None else str(row[column]) for column in columns))
    Console(soft_wrap=True, markup=False, width=UNCUT).print(shown)
