"""`atrium app`: apps whose calls are analysed, and the key with which their clients report.

The database is written and nothing else, so a key is good from the next report on, whether a server runs or not.
"""

from typing import Annotated

import sqlalchemy as sa
from cyclopts import App, Parameter

from api.analytics.apps import NAME_CHARS, is_domain
from api.cli import HERE, AsJson, CommandError, Place, check_text, print_json, print_rows
from api.http import moment
from api.store import apps
from api.store.apps import AppRecord

app = App(name="app", help="Apps of call analytics.")


@app.command(name="add")
def add(
    *,
    organization: Annotated[str, Parameter(help="Its name; made if there is none. There is one at most.")],
    name: Annotated[str, Parameter(help="Of the app.")],
    domain: Annotated[str | None, Parameter(help="The host of the pages of which alone it takes reports.")] = None,
    place: Place = HERE,
    json: AsJson = False,
) -> None:
    """Make an app. Its key goes into the pages that report to it."""
    check_text("--organization", organization, NAME_CHARS)
    check_text("--name", name, NAME_CHARS)
    if domain is not None and not is_domain(domain):
        raise CommandError("--domain: a public host name such as meet.example.com")
    interval_ms = place.loaded().analytics.stats_interval_ms

    def added(connection: sa.Connection) -> AppRecord:
        (owner,) = apps.all_organizations(connection) or [apps.add_organization(connection, organization)]
        if owner.name != organization:
            raise CommandError(f"max_organizations_reached: there is {owner.name!r} already")
        made = apps.add_app(
            connection,
            organization=owner.id,
            name=name,
            interval_ms=interval_ms,
            domain=None if domain is None else domain.lower(),
        )
        assert made is not None
        return made

    with place.database() as database:
        made = database.write(added)
    told = {"id": made.id, "apiKey": made.api_key, "organizationId": made.organization, "name": made.name}
    if json:
        print_json(told)
    else:
        print(made.api_key)


@app.command(name="list")
def list_apps(*, place: Place = HERE, json: AsJson = False) -> None:
    """List the apps, with their keys, which are no secret."""
    with place.database() as database:
        found = database.read(apps.all_apps)
    print_rows([_listed(each) for each in found], ("id", "name", "apiKey", "domain", "recording", "createdAt"), json)


def _listed(record: AppRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "name": record.name,
        "apiKey": record.api_key,
        "organizationId": record.organization,
        "domain": record.domain,
        "recording": record.recording,
        "createdAt": moment(record.created_at),
    }
