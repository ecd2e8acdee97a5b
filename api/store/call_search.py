"""Records whose names may be like what is searched for (contract analytics, section 5.5): the candidates. How alike they are
is found out of them.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs
import sqlalchemy as sa

from api.store.tables import apps, conferences, organizations, participants

CANDIDATES: Final = 200
"""Of one kind, those with the most parts of the query."""


@attrs.frozen
class Candidate:
    kind: str
    """conference, participant, app or organization."""
    uuid: str
    own_id: str
    """As the app has it; or the key of an app."""
    name: str | None


def candidates(connection: sa.Connection, parts: Sequence[str], needed: int, newest: int) -> Iterator[Candidate]:
    """Each has at least `needed` of the `parts`, letters and digits alone, in one of its texts. Of conferences and
    participants the `newest` are looked at."""
    active = sa.select(apps.c.number).where(apps.c.active)
    for kind, table, own_id in (
        ("conference", conferences, conferences.c.conference_id),
        ("participant", participants, participants.c.participant_id),
    ):
        last = connection.execute(sa.select(sa.func.max(table.c.number))).scalar_one() or 0
        recent = sa.and_(table.c.number > last - newest, table.c.app.in_(active))
        yield from _found(connection, kind, (table.c.id, own_id, table.c.name), recent, parts, needed)
    of_apps = (apps.c.id, apps.c.api_key, apps.c.name)
    yield from _found(connection, "app", of_apps, apps.c.active, parts, needed)
    columns = (organizations.c.id, sa.literal(""), organizations.c.name)
    yield from _found(connection, "organization", columns, organizations.c.active, parts, needed)


def _found(
    connection: sa.Connection,
    kind: str,
    columns: tuple[sa.ColumnElement[str], ...],
    where: sa.ColumnElement[bool],
    parts: Sequence[str],
    needed: int,
) -> Iterator[Candidate]:
    uuid, own_id, name = columns
    shared = sa.func.coalesce(_shared(own_id, parts), 0), sa.func.coalesce(_shared(name, parts), 0)
    most = sa.case((shared[0] > shared[1], shared[0]), else_=shared[1])
    found = sa.select(uuid.label("uuid"), own_id.label("own_id"), name.label("name"), most.label("shared")).where(where)
    inner = found.subquery()
    query = sa.select(inner).where(inner.c.shared >= needed).order_by(inner.c.shared.desc()).limit(CANDIDATES)
    for row in connection.execute(query):
        yield Candidate(kind, row.uuid, row.own_id, row.name)


def _shared(text: sa.ColumnElement[str], parts: Sequence[str]) -> sa.ColumnElement[int]:
    counted: list[sa.ColumnElement[int]] = []
    for part in parts:
        # SQLite knows the cases of ASCII alone.
        forms = {part} if part.isascii() else {part, part.upper(), part.title()}
        matches = sa.or_(*(text.ilike(f"%{form}%") for form in sorted(forms)))
        counted.append(sa.case((matches, 1), else_=0))
    total = counted[0]
    for each in counted[1:]:
        total = total + each
    return total
