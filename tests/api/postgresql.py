"""A PostgreSQL cluster of the tests' own: Debian's package, a directory of its own, a socket in it and no port.

PostgreSQL refuses to run as root, so root's tests lend it the user that the package has made.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import attrs
import psycopg

USER = "atrium"


def programs() -> Path | None:
    """Where initdb and pg_ctl are; Debian keeps them off the PATH, one directory a version."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in versions), key=lambda path: float(path.parent.name), default=None)


@attrs.frozen
class Cluster:
    directory: Path

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The URL of a new database, a copy of that one or empty, which is there while the block runs."""
        name = f"test_{uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield f"postgresql+psycopg://{USER}@/{name}?host={self.directory}"
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        where = f"host={self.directory} user={USER} dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def cluster(bin: Path) -> Iterator[Cluster]:
    # Not below pytest's directory, which nobody but its user may enter; and the path of a socket must be short.
    directory = Path(tempfile.mkdtemp(prefix="atrium-"))
    log = directory / "log"
    lent: dict[str, object] = {}
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        lent = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        command = [bin / program, "--pgdata", directory / "data", *arguments]
        # To a file: what pg_ctl starts would hold a pipe open.
        with log.open("ab") as said:
            done = subprocess.run(command, cwd=directory, stdout=said, stderr=said, timeout=120, check=False, **lent)
        assert done.returncode == 0, f"{program}: {log.read_text()}"

    try:
        run("initdb", f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        run(
            "pg_ctl",
            "--wait",
            f"--log={directory / 'server.log'}",
            # Nobody needs what is in it after a power cut.
            f"--options=-k {directory} -c listen_addresses='' -c fsync=off -c full_page_writes=off",
            "start",
        )
        try:
            yield Cluster(directory)
        finally:
            run("pg_ctl", "--wait", "--mode=fast", "stop")
    finally:
        shutil.rmtree(directory)
