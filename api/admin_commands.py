"""`atrium admin`: the password of the dashboard.

It is written into the database and nowhere else, so it holds from the next sign-in on, whether a server runs or not; who is
signed in with the former one is so no more.
"""

import getpass
from functools import partial
from typing import Annotated

from cyclopts import App, Parameter

from api import passwords
from api.admins import ADMIN, PASSWORD_FILE
from api.cli import HERE, Place, check_text
from api.store import admins
from signalling.limits import SECRET_CHARS

app = App(name="admin", help="The dashboard's administrator.")


@app.command(name="password")
def password(
    *,
    set: Annotated[str | None, Parameter(help="The new password; asked for if it is not given.")] = None,
    place: Place = HERE,
) -> None:
    """Set the password of the dashboard's user `admin`."""
    if set is None:
        set = getpass.getpass("Password: ")
    check_text("--set", set, SECRET_CHARS)
    with place.database() as database:
        database.write(partial(admins.set_password, name=ADMIN, password_hash=passwords.hashed(set)))
    (place.directory() / PASSWORD_FILE).unlink(missing_ok=True)
