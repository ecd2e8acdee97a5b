"""Pages and what they load."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from api import site
from api.config import Config
from api.keyring import Keyring
from api.licences import LicenceKeys, StoredLicences
from api.store import Database, Store, rooms
from tests.api.conftest import Process, Server

PAGES = Path(site.__file__).with_name("pages")


def made(server: Server, name: str) -> str:
    database = Database(server.directory)
    uuid = database.write(partial(rooms.add, name=name, open=True)).uuid
    database.close()
    return uuid


@pytest.mark.parametrize("path", ["/", "/meet/demo", "/meet/nowhere", "/kpoint-demo", "/embed", "/static/style.css"])
async def test_pages_may_load_from_this_server_only(server: Server, path: str) -> None:
    async with server.anonymous() as client:
        response = await client.get(path)
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_every_file_of_static_is_served_with_its_type(server: Server) -> None:
    files = [path for path in (PAGES / "static").rglob("*") if path.is_file()]
    assert files
    async with server.anonymous() as client:
        for path in files:
            response = await client.get(f"/{path.relative_to(PAGES)}")
            assert response.content == path.read_bytes()
            assert response.headers["content-type"] == site.TYPES[path.suffix]


async def test_an_unchanged_file_is_304(server: Server) -> None:
    async with server.anonymous() as client:
        first = await client.get("/static/style.css")
        again = await client.get("/static/style.css", headers={"If-None-Match": first.headers["etag"]})
        other = await client.get("/static/style.css", headers={"If-None-Match": '"other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/none.js",
        "/static/../meet.html",
        "/static/%2e%2e/meet.html",
        "/static//style.css",
        "/nowhere",
    ],
)
async def test_other_names_are_404(server: Server, path: str) -> None:
    async with server.anonymous() as client:
        response = await client.get(path)
    assert response.status_code == 404


async def test_a_room_is_found_by_uuid_and_by_its_name(server: Server) -> None:
    oldest, younger = made(server, "Küche / oben"), made(server, "Küche / oben")
    async with server.anonymous() as client:
        assert f'data-room-uuid="{oldest}"' in (await client.get("/meet/K%C3%BCche%20%2F%20oben")).text
        assert f'data-room-uuid="{younger}"' in (await client.get(f"/meet/{younger}")).text
        missing = await client.get("/meet/kitchen")
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith("text/html")


async def test_the_kpoint_demo_has_its_page_and_a_good_key(server: Server) -> None:
    async with server.anonymous() as client:
        page = await client.get("/kpoint-demo")
        given = (await client.get("/kpoint-demo/key")).json()
        response = await client.get("/kpoint-demo/key")
    assert page.content == (PAGES / "kpoint-demo.html").read_bytes()
    assert given == response.json()
    assert set(given) == {"cpCode", "authKey"}
    assert response.headers["cache-control"] == "no-store"
    database = Database(server.directory)
    keys = LicenceKeys(Keyring.open(server.directory), Config().licence.zone)
    licence = await StoredLicences(Store(database), keys, {}).by_key(given["cpCode"], given["authKey"])
    database.close()
    assert licence is not None
    assert (licence.domain, given["cpCode"]) == ("demo", "demo")


def test_nobody_is_given_a_key_without_the_demo(start: Callable[..., Process], tmp_path: Path) -> None:
    start("--demo").kill()
    with httpx.Client(base_url=start().url, trust_env=False) as client:
        assert client.get("/kpoint-demo/key").status_code == 404
        assert client.get("/kpoint-demo").status_code == 200


async def test_the_embedded_page_is_the_room_page_and_says_no_room(server: Server) -> None:
    """Which one it is about never comes to the server with the address."""
    async with server.anonymous() as client:
        page = await client.get("/embed")
        again = await client.get("/embed", headers={"If-None-Match": page.headers["etag"]})
    assert page.status_code == 200
    assert 'src="/static/meet.js"' in page.text
    assert 'data-room-uuid="" data-room-name=""' in page.text
    assert again.status_code == 304


async def test_a_name_is_text_and_nothing_more(server: Server) -> None:
    name = "<script>alert(1)</script>\"'&{{ room_uuid }}"
    uuid = made(server, name)
    async with server.anonymous() as client:
        page = (await client.get(f"/meet/{uuid}")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;{{ room_uuid }}" in page
    assert page.count(uuid) == (PAGES / "meet.html").read_text().count(site.ROOM_UUID)
