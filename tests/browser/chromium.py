"""Debian's Chromium, driven from trio over the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/).

One websocket to the browser carries everything: pages are targets with a flat session id each. A page lives in a
browser context of its own, so storage and permissions of members never mix, and in a window of its own, so Chromium draws
it and keeps its timers at full speed.

Three layers, from below: `run_chromium` (the process, which may serve many tests), `Chromium` (one test's connection to it; the
pages that it opened go with it), `Page` (evaluate, wait, click, type, screenshot) and, for one of its iframes, `Frame`. A page that
threw, or that wrote an error to its console, fails the test when the connection ends.

    async with open_chromium(tmp_path) as chromium:
        page = await chromium.open("http://127.0.0.1:8080/")
        assert await page.evaluate("document.title") == "Atrium"
"""

import base64
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, connect_websocket_url

EXECUTABLE = "/usr/bin/chromium"
START_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 30.0
MAX_MESSAGE = 64 << 20  # a screenshot comes as one base64 message
TEXT = 1  # the opcode of a text frame, RFC 6455 11.8
SIZE = (960, 640)  # of a page: no telephone's, and cheap to draw without a graphics card

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    # Members look on from several windows at once: none of them is to be slowed down for lying behind another.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns,CalculateNativeWinOcclusion",
    "--remote-debugging-port=0",
    "--window-size=1280,800",
)


class ProtocolError(Exception):
    """The browser refused a command."""


class PageError(AssertionError):
    """A script in the page threw, or a condition never came true."""


class Chromium:
    """A connection to a browser. `connect` makes it and ends it."""

    def __init__(self, websocket: WebSocketConnection) -> None:
        self._websocket = websocket
        self._last_id = 0
        self._replies: dict[int, tuple[trio.Event, list[dict[str, Any]]]] = {}
        self._pages: dict[str, Page] = {}
        self._contexts: list[str] = []

    async def command(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._last_id += 1
        message_id = self._last_id
        arrived, box = trio.Event(), []
        self._replies[message_id] = (arrived, box)
        message: dict[str, Any] = {"id": message_id, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        try:
            await self._websocket.send_message(json.dumps(message))
            with trio.fail_after(COMMAND_TIMEOUT_S):
                await arrived.wait()
        finally:
            self._replies.pop(message_id, None)
        if "error" in box[0]:
            raise ProtocolError(f"{method}: {box[0]['error'].get('message')}")
        result: dict[str, Any] = box[0]["result"]
        return result

    async def read(self) -> None:
        """The only reader of the socket; ends with it."""
        try:
            while True:
                message = json.loads(await self._websocket.get_message())
                if "id" in message:
                    if message["id"] in self._replies:
                        arrived, box = self._replies[message["id"]]
                        box.append(message)
                        arrived.set()
                elif (page := self._pages.get(message.get("sessionId", ""))) is not None:
                    page.notice(message["method"], message["params"])
        except ConnectionClosed:
            pass

    async def close(self) -> None:
        """Closes all pages that were opened, and forgets what they stored."""
        for context in self._contexts:
            await self.command("Target.disposeBrowserContext", browserContextId=context)

    @property
    def thrown(self) -> list[str]:
        return [text for page in self._pages.values() for text in page.thrown]

    async def open(
        self,
        url: str,
        *,
        script: str = "",
        grant: Sequence[str] = ("microphone", "camera"),
        deny: Sequence[str] = (),
        size: tuple[int, int] = SIZE,
        phone: bool = False,
        dark: bool = False,
    ) -> "Page":
        """A page in a context of its own. `grant` and `deny` name permissions; `script` runs before the page's own."""
        context = (await self.command("Target.createBrowserContext"))["browserContextId"]
        self._contexts.append(context)
        origin = "/".join(url.split("/")[:3])
        for setting, names in (("granted", grant), ("denied", deny)):
            for name in names:
                await self.command(
                    "Browser.setPermission",
                    permission={"name": name},
                    setting=setting,
                    origin=origin,
                    browserContextId=context,
                )
        target = await self.command("Target.createTarget", url="about:blank", browserContextId=context, newWindow=True)
        attached = await self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"], target["targetId"])
        self._pages[attached["sessionId"]] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.command(f"{domain}.enable")
        await page.command("Emulation.setFocusEmulationEnabled", enabled=True)
        await page.resize(*size, phone=phone)
        if dark:
            await page.command(
                "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}]
            )
        if script:
            await page.command("Page.addScriptToEvaluateOnNewDocument", source=script)
        await page.go(url)
        return page


@attrs.define(eq=False)
class Page:
    """One tab. What it wrote to its console is in `console`, what came by its websockets in `frames`, what went in `sent`."""

    _chromium: Chromium
    _session: str
    _target: str
    console: list[str] = attrs.field(factory=list)
    thrown: list[str] = attrs.field(factory=list)
    """Exceptions that nobody caught, and what the page itself called an error."""
    frames: list[dict[str, Any]] = attrs.field(factory=list)
    sent: list[dict[str, Any]] = attrs.field(factory=list)
    _worlds: dict[int, str] = attrs.field(factory=dict)
    """Where scripts run, in this page and in its iframes, and of which origin."""

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._chromium.command(method, self._session, **params)

    def notice(self, method: str, params: Mapping[str, Any]) -> None:
        match method:
            case "Runtime.consoleAPICalled":
                words = [str(one.get("value", one.get("description", ""))) for one in params["args"]]
                self.console.append(f"{params['type']}: {' '.join(words)}")
                if params["type"] == "error":
                    self.thrown.append(self.console[-1])
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.console.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
                self.thrown.append(self.console[-1])
            case "Log.entryAdded":
                entry = params["entry"]
                self.console.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
            case "Runtime.executionContextCreated" if params["context"]["auxData"]["isDefault"]:
                self._worlds[params["context"]["id"]] = params["context"]["origin"]
            case "Runtime.executionContextDestroyed":
                self._worlds.pop(params["executionContextId"], None)
            case "Runtime.executionContextsCleared":
                self._worlds.clear()
            case "Network.webSocketFrameReceived" if params["response"]["opcode"] == TEXT:
                self.frames.append(json.loads(params["response"]["payloadData"]))
            case "Network.webSocketFrameSent" if params["response"]["opcode"] == TEXT:
                self.sent.append(json.loads(params["response"]["payloadData"]))
            case _:
                pass

    def heard(self, method: str) -> list[dict[str, Any]]:
        """The params of all notifications of that name that came by the page's sockets."""
        return [frame.get("params", {}) for frame in self.frames if frame.get("method") == method]

    async def wait_to_hear(self, method: str, count: int = 1, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """Waits until so many notifications of that name have come; the params of all of them."""
        with trio.move_on_after(timeout_s):
            while len(self.heard(method)) < count:
                await trio.sleep(0.05)
        heard = self.heard(method)
        if len(heard) < count:
            raise PageError(f"{method}: {len(heard)} instead of {count} within {timeout_s} s")
        return heard

    async def go(self, url: str) -> None:
        result = await self.command("Page.navigate", url=url)
        if "errorText" in result:
            raise PageError(f"{url}: {result['errorText']}")
        await self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def frame(self, origin: str) -> "Frame":
        """The iframe with a page of that origin, which need not be there yet. Its console and its sockets are the tab's."""
        return Frame(
            self._chromium,
            self._session,
            self._target,
            self.console,
            self.thrown,
            self.frames,
            self.sent,
            self._worlds,
            origin,
        )

    def _world(self) -> dict[str, Any]:
        return {}

    async def _corner(self) -> tuple[float, float]:
        return 0.0, 0.0

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression; a promise is awaited."""
        how = {"awaitPromise": True, "returnByValue": True, **self._world()}
        result = await self.command("Runtime.evaluate", expression=expression, **how)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    async def wait_for(self, condition: str, timeout_s: float = 10.0) -> Any:
        """Waits until the expression is true-like and returns it. An expression that throws is not true yet."""
        last: Any = None
        with trio.move_on_after(timeout_s):
            while True:
                try:
                    last = await self.evaluate(condition)
                except PageError as error:
                    last = error
                except ProtocolError as error:
                    last = error  # between two documents there is nothing to evaluate in
                else:
                    if last:
                        return last
                await trio.sleep(0.05)
        tail = "\n  ".join(self.console[-8:])
        raise PageError(f"never true within {timeout_s} s: {condition}\n  last: {last!r}\n  {tail}")

    async def click(self, selector: str) -> None:
        """A real click in the middle of the element, once it is there."""
        find = f"document.querySelector({json.dumps(selector)})"
        point = await self.wait_for(
            f"(() => {{ const box = {find}.getBoundingClientRect();"
            " return box.width > 0 && [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        left, top = await self._corner()
        for kind in ("mousePressed", "mouseReleased"):
            await self.command(
                "Input.dispatchMouseEvent", type=kind, x=left + point[0], y=top + point[1], button="left", clickCount=1
            )

    async def type(self, selector: str, text: str) -> None:
        """Replaces what is in a field, as a person would by selecting it and writing."""
        await self.wait_for(
            f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.focus(); field.select();"
            " return document.activeElement === field; })()"
        )
        await self.command("Input.insertText", text=text)

    async def press(self, key: str, *, shift: bool = False) -> None:
        """One key: a letter, or a name such as "Enter" or "Tab"."""
        codes = {
            "Enter": ("Enter", 13, "\r"),
            " ": ("Space", 32, " "),
            "Tab": ("Tab", 9, ""),
            "Escape": ("Escape", 27, ""),
        }
        code, number, text = codes.get(key, (f"Key{key.upper()}", ord(key.upper()[0]), key))
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": 8 if shift else 0}
        await self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.command("Input.dispatchKeyEvent", type="keyUp", **common)

    async def tab_to(self, selector: str, most: int = 30) -> None:
        """Goes on with the Tab key alone until that element has the focus, and can be seen to have it."""
        has_focus = f"document.activeElement?.matches({json.dumps(selector)})"
        for _ in range(most):
            if await self.evaluate(has_focus):
                style = await self.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert style != "none", f"{selector} does not show its focus"
                return
            await self.press("Tab")
        raise PageError(f"the Tab key does not lead to {selector}")

    async def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        await self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        await self.command("Emulation.setTouchEmulationEnabled", enabled=phone)

    async def screenshot(self, path: Path) -> Path:
        shot = await self.command("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    async def close(self) -> None:
        await self._chromium.command("Target.closeTarget", targetId=self._target)


@attrs.define(eq=False)
class Frame(Page):
    """An iframe with a page of another origin, seen from within. Of several, the youngest."""

    _origin: str = ""

    def _world(self) -> dict[str, Any]:
        found = [id for id, origin in self._worlds.items() if origin == self._origin]
        if not found:
            raise ProtocolError(f"no iframe of {self._origin}")
        return {"contextId": max(found)}

    async def _corner(self) -> tuple[float, float]:
        find = "[...document.querySelectorAll('iframe')].find((one) => one.src.startsWith({origin}))"
        box = await self.command(
            "Runtime.evaluate",
            expression=f"(({{ x, y }}) => [x, y])({find.format(origin=json.dumps(self._origin))}.getBoundingClientRect())",
            returnByValue=True,
        )
        x, y = box["result"]["value"]
        return float(x), float(y)


@contextmanager
def run_chromium(directory: Path, *flags: str, ask: bool = False) -> Iterator[str]:
    """A browser with a fresh profile below `directory`; its address. `ask` leaves camera, microphone and screen to permissions
    and flags; without it every page gets them unasked."""
    profile = directory / "profile"
    port_file = profile / "DevToolsActivePort"
    unasked = () if ask else ("--use-fake-ui-for-media-stream",)
    command = [EXECUTABLE, *FLAGS, *unasked, f"--user-data-dir={profile}", *flags, "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        too_late = time.monotonic() + START_TIMEOUT_S
        while not (port_file.exists() and port_file.read_text().count("\n") >= 1):
            if process.poll() is not None:
                raise RuntimeError(f"chromium ended with {process.returncode}")
            if time.monotonic() > too_late:
                raise RuntimeError("chromium does not start")
            time.sleep(0.02)
        port, path = port_file.read_text().split("\n")[:2]
        yield f"ws://127.0.0.1:{port}{path}"
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Chromium]:
    async with trio.open_nursery() as nursery:
        websocket = await connect_websocket_url(nursery, address, max_message_size=MAX_MESSAGE)
        chromium = Chromium(websocket)
        nursery.start_soon(chromium.read)
        try:
            yield chromium
            thrown = chromium.thrown
        finally:
            with trio.move_on_after(5, shield=True):
                await chromium.close()
                await websocket.aclose()
            nursery.cancel_scope.cancel()
    assert thrown == []


@asynccontextmanager
async def open_chromium(directory: Path, *flags: str, ask: bool = False) -> AsyncIterator[Chromium]:
    """A browser of one's own."""
    with run_chromium(directory, *flags, ask=ask) as address:
        async with connect(address) as chromium:
            yield chromium
