"""Pages and what they load."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
from markupsafe import escape

from api import site
from api.config import Config
from api.keyring import Keyring
from api.licences import LicenceKeys, StoredLicences, make
from api.store import Database, Store, licences, rooms
from tests.api.conftest import Process, Server

PAGES = Path(site.__file__).with_name("pages")


def made(server: Server, name: str) -> str:
    database = Database(server.directory)
    uuid = database.write(partial(rooms.add, name=name, open=True)).uuid
    database.close()
    return uuid


@pytest.mark.parametrize(
    "path", ["/", "/meet/demo", "/meet/nowhere", "/kpoint-demo", "/dashboard", "/embed", "/static/style.css"]
)
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
    start(demo=True).kill()
    with httpx.Client(base_url=start().url, trust_env=False, verify=False) as client:
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


def licensed(server: Server, domain: str, *, enabled: bool = True) -> None:
    database = Database(server.directory)
    record, _ = database.write(partial(make, keyring=Keyring.open(server.directory), domain=domain))
    if not enabled:
        database.write(partial(licences.enable, id=record.id, enabled=False))
    database.close()


def policy(response: httpx.Response) -> dict[str, str]:
    words = (part.strip().partition(" ") for part in response.headers["content-security-policy"].split(";"))
    return {name: sources for name, _, sources in words}


@pytest.mark.parametrize(
    ("domain", "ancestors", "images"),
    [
        ("https://shop.example", "https://shop.example", "'self' data: https:"),
        ("https://shop.example:8443", "https://shop.example:8443", "'self' data: https:"),
        ("http://localhost:3000", "http://localhost:3000", "'self' data: https: http://localhost:3000"),
        ("trial", "*", "'self' data: https:"),
        ("시험\"'&;*", "*", "'self' data: https:"),
    ],
)
async def test_the_embedded_page_is_for_its_domain_alone(
    server: Server, domain: str, ancestors: str, images: str
) -> None:
    """A word is nobody's address, so it lets any page. Its own policy says where the background may come from."""
    licensed(server, domain)
    async with server.anonymous() as client:
        page = await client.get("/embed", params={"domain": domain})
        plain = await client.get("/embed")
    assert page.status_code == 200
    assert f'data-domain="{escape(domain)}"' in page.text
    assert policy(page) == {**policy(plain), "frame-ancestors": ancestors, "img-src": images}
    assert (policy(plain)["frame-ancestors"], policy(plain)["img-src"]) == ("'self'", "'self' data:")
    assert page.headers["permissions-policy"] == "camera=(self), microphone=(self), display-capture=(self)"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param({"domain": "https://elsewhere.example"}, 404, id="unknown"),
        pytest.param({"domain": "https://shop.example:443"}, 404, id="spelt otherwise"),
        pytest.param({"domain": "elsewhere"}, 404, id="unknown word"),
        pytest.param({"domain": "https://closed.example"}, 404, id="disabled"),
        pytest.param({"domain": ""}, 400, id="empty"),
        pytest.param({"domain": ["https://shop.example", "https://shop.example"]}, 400, id="twice"),
        pytest.param({"domain": "https://shop.example; script-src *"}, 400, id="another directive"),
        pytest.param({"domain": "https://shop.example;script-src"}, 400, id="another directive without a space"),
        pytest.param({"domain": "https://shop.example,"}, 400, id="another policy"),
        pytest.param({"domain": "https://shop.example *"}, 400, id="another source"),
        pytest.param({"domain": "https://*"}, 400, id="wildcard"),
        pytest.param({"domain": "https://*.example"}, 400, id="wildcard below"),
        pytest.param({"domain": "https:"}, 404, id="a scheme is a word"),
        pytest.param({"domain": "'self'"}, 404, id="a keyword is a word"),
        pytest.param({"domain": "https://shop.example\r\nSet-Cookie: a=b"}, 400, id="another header"),
        pytest.param({"domain": "https://shop.example\n"}, 400, id="end of line"),
        pytest.param({"domain": "a b"}, 400, id="two words"),
        pytest.param({"domain": "a\0"}, 400, id="NUL"),
        pytest.param({"domain": "https://shop.example/"}, 400, id="path"),
        pytest.param({"domain": "https://SHOP.example"}, 400, id="upper case"),
        pytest.param({"domain": "https://user@shop.example"}, 400, id="user"),
        pytest.param({"domain": "javascript://shop.example"}, 400, id="scheme"),
        pytest.param({"domain": "a" * 256}, 400, id="long"),
        pytest.param({"domain": "https://" + "a" * 248}, 400, id="long origin"),
    ],
)
async def test_what_is_no_licences_domain_is_shown_by_nobody(
    server: Server, query: dict[str, str | list[str]], status: int
) -> None:
    licensed(server, "https://shop.example")
    licensed(server, "https://closed.example", enabled=False)
    async with server.anonymous() as client:
        page = await client.get("/embed", params=query)
        plain = await client.get("/embed")
    assert page.status_code == status
    assert page.content == (PAGES / "missing.html").read_bytes()
    assert policy(page) == {**policy(plain), "frame-ancestors": "'none'"}
    assert "set-cookie" not in page.headers


async def test_the_script_for_embedding_pages_is_for_every_origin(server: Server) -> None:
    async with server.anonymous() as client:
        script = await client.get("/s-connector.js")
        again = await client.get("/s-connector.js", headers={"If-None-Match": script.headers["etag"]})
        other = await client.get("/static/meet.js")
    assert script.content == (PAGES / "s-connector.js").read_bytes()
    assert script.headers["content-type"] == site.TYPES[".js"]
    assert script.headers["access-control-allow-origin"] == "*"
    assert script.headers["cross-origin-resource-policy"] == "cross-origin"
    assert again.status_code == 304
    assert "access-control-allow-origin" not in other.headers


async def test_a_name_is_text_and_nothing_more(server: Server) -> None:
    name = "<script>alert(1)</script>\"'&{{ room_uuid }}"
    uuid = made(server, name)
    async with server.anonymous() as client:
        page = (await client.get(f"/meet/{uuid}")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;{{ room_uuid }}" in page
    assert page.count(uuid) == (PAGES / "meet.html").read_text().count(site.ROOM_UUID)


@pytest.mark.parametrize(
    ("path", "place"), [("conference", "conferences"), ("participant", "participants"), ("apps", "apps")]
)
async def test_records_of_calls_have_addresses_of_their_own(server: Server, path: str, place: str) -> None:
    id = "6a1f0c52-8f3e-4b55-9d0e-2f1b7c4d9e10"
    async with server.anonymous() as client:
        answer = await client.get(f"/dashboard/{path}/{id}")
        assert (answer.status_code, answer.headers["location"]) == (302, f"/dashboard#/calls/{place}/{id}")
        assert (await client.get(f"/dashboard/{path}/nobody")).status_code == 404
        for other, shown in ((f"organization/{id}", ""), ("records", "/records")):
            answer = await client.get(f"/dashboard/{other}")
            assert (answer.status_code, answer.headers["location"]) == (302, f"/dashboard#/calls{shown}")
        assert (await client.get(f"/dashboard/others/{id}")).status_code == 404
