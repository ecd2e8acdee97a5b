"""Debian's Chromium, driven from trio over the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/).

One websocket to the browser carries everything: pages are targets with a flat session id each. A page lives in a
browser context of its own, so storage and permissions of members never mix, and in a window of its own, so Chromium draws
it and keeps its timers at full speed.

Three layers, from below: `Chromium` (process and protocol), `Page` (evaluate, wait, click, type, screenshot), and
`Member` (a page whose camera is a moving picture of one colour and whose microphone is a tone of one pitch, with
what it takes to tell what arrived from whom). What a member's page must know is in `MEMBER_SCRIPT`, run before its own.

    async with open_chromium(tmp_path) as chromium:
        page = await chromium.open("http://127.0.0.1:8080/")
        assert await page.evaluate("document.title") == "Atrium"
"""

import base64
import json
import math
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, connect_websocket_url

EXECUTABLE = "/usr/bin/chromium"
START_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 30.0
MAX_MESSAGE = 64 << 20  # a screenshot comes as one base64 message

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
    """One browser process. `open_chromium` makes it and ends it."""

    def __init__(self, websocket: WebSocketConnection) -> None:
        self._websocket = websocket
        self._last_id = 0
        self._replies: dict[int, tuple[trio.Event, list[dict[str, Any]]]] = {}
        self._pages: dict[str, Page] = {}

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

    async def open(
        self,
        url: str,
        *,
        script: str = "",
        grant: Sequence[str] = ("microphone", "camera"),
        deny: Sequence[str] = (),
        size: tuple[int, int] = (1280, 800),
        phone: bool = False,
        dark: bool = False,
    ) -> "Page":
        """A page in a context of its own. `grant` and `deny` name permissions; `script` runs before the page's own."""
        context = (await self.command("Target.createBrowserContext"))["browserContextId"]
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
    """One tab. What it wrote to its console is in `console`, what came by its websockets in `frames`."""

    _chromium: Chromium
    _session: str
    _target: str
    console: list[str] = attrs.field(factory=list)
    frames: list[dict[str, Any]] = attrs.field(factory=list)

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._chromium.command(method, self._session, **params)

    def notice(self, method: str, params: Mapping[str, Any]) -> None:
        match method:
            case "Runtime.consoleAPICalled":
                words = [str(one.get("value", one.get("description", ""))) for one in params["args"]]
                self.console.append(f"{params['type']}: {' '.join(words)}")
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.console.append(f"exception: {details.get('exception', {}).get('description', details['text'])}")
            case "Log.entryAdded":
                entry = params["entry"]
                self.console.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")
            case "Network.webSocketFrameReceived":
                try:
                    self.frames.append(json.loads(params["response"]["payloadData"]))
                except ValueError:
                    pass
            case _:
                pass

    def heard(self, method: str) -> list[dict[str, Any]]:
        """The params of all notifications of that name that came by the page's sockets."""
        return [frame.get("params", {}) for frame in self.frames if frame.get("method") == method]

    async def go(self, url: str) -> None:
        result = await self.command("Page.navigate", url=url)
        if "errorText" in result:
            raise PageError(f"{url}: {result['errorText']}")
        await self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression; a promise is awaited."""
        result = await self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
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
        for kind in ("mousePressed", "mouseReleased"):
            await self.command(
                "Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], button="left", clickCount=1
            )

    async def type(self, selector: str, text: str) -> None:
        """Replaces what is in a field, as a person would by selecting it and writing."""
        await self.wait_for(
            f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.focus(); field.select();"
            " return document.activeElement === field; })()"
        )
        await self.command("Input.insertText", text=text)

    async def press(self, key: str) -> None:
        """One key: a letter, or a name such as "Enter" or "Tab"."""
        codes = {"Enter": ("Enter", 13, "\r"), "Tab": ("Tab", 9, "")}
        code, number, text = codes.get(key, (f"Key{key.upper()}", ord(key.upper()[0]), key))
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        await self.command("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.command("Input.dispatchKeyEvent", type="keyUp", **common)

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


@asynccontextmanager
async def open_chromium(directory: Path, *flags: str, ask: bool = False) -> AsyncIterator[Chromium]:
    """A browser with a fresh profile below `directory`. `ask` leaves the camera to the pages' permissions; without it
    every page gets it unasked. A `--use-file-for-fake-audio-capture=F.wav` among `flags` is the browser's microphone."""
    profile = directory / "profile"
    port_file = profile / "DevToolsActivePort"
    unasked = () if ask else ("--use-fake-ui-for-media-stream",)
    command = [EXECUTABLE, *FLAGS, *unasked, f"--user-data-dir={profile}", *flags, "about:blank"]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with trio.fail_after(START_TIMEOUT_S):
            while not (port_file.exists() and port_file.read_text().count("\n") >= 1):
                if process.poll() is not None:
                    raise RuntimeError(f"chromium ended with {process.returncode}")
                await trio.sleep(0.02)
        port, path = port_file.read_text().split("\n")[:2]
        async with trio.open_nursery() as nursery:
            websocket = await connect_websocket_url(
                nursery, f"ws://127.0.0.1:{port}{path}", max_message_size=MAX_MESSAGE
            )
            chromium = Chromium(websocket)
            nursery.start_soon(chromium.read)
            try:
                yield chromium
            finally:
                with trio.move_on_after(2, shield=True):
                    await websocket.aclose()
                nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            with trio.move_on_after(5):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


# Camera and microphone of a member, made in the page, and ears and eyes to tell what arrived. Only the harness uses
# what only Chromium has; the pages themselves never do.
MEMBER_SCRIPT = """
(() => {
  const settings = __SETTINGS__;
  const connections = [];
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...rest) { super(...rest); connections.push(this); }
  };
  let context, gain, flashUntil = 0;
  const audio = () => {
    if (context === undefined) {
      context = new AudioContext({ sampleRate: 48000 });
      gain = context.createGain();
      gain.gain.value = settings.speaking ? 0.4 : 0;
      const tone = context.createOscillator();
      tone.frequency.value = settings.tone_hz;
      tone.connect(gain);
      tone.start();
    }
    context.resume();
    return context;
  };
  const microphone = () => {
    const out = audio().createMediaStreamDestination();
    gain.connect(out);
    return out.stream.getAudioTracks()[0];
  };
  const camera = () => {
    const canvas = document.createElement("canvas");
    canvas.width = 320;
    canvas.height = 180;
    const pen = canvas.getContext("2d");
    const track = canvas.captureStream(0).getVideoTracks()[0];
    let count = 0;
    const draw = () => {
      if (track.readyState === "ended") { clearInterval(timer); return; }
      count += 1;
      pen.fillStyle = performance.now() < flashUntil ? "#fff" : settings.colour;
      pen.fillRect(0, 0, 320, 180);
      pen.fillStyle = "rgba(0, 0, 0, 0.35)";
      pen.fillRect((count * 8) % 320, 80 + 40 * Math.sin(count / 6), 24, 24);
      track.requestFrame();
    };
    const timer = setInterval(draw, 50);
    track.draw = draw;
    camera.track = track;
    draw();
    return track;
  };
  if (navigator.mediaDevices && settings.devices) {
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const tracks = [];
      if (wanted.audio) tracks.push(microphone());
      if (wanted.video) tracks.push(camera());
      return new MediaStream(tracks);
    };
  }
  const energyAt = (analyser, hz) => {
    const bins = new Uint8Array(analyser.frequencyBinCount);
    analyser.getByteFrequencyData(bins);
    const middle = Math.round((hz / (context.sampleRate / 2)) * bins.length);
    return Math.max(...bins.slice(middle - 1, middle + 2));
  };
  const received = (kind) => connections
    .filter((one) => one.connectionState !== "closed")
    .flatMap((one) => one.getReceivers())
    .map((one) => one.track)
    .filter((one) => one && one.kind === kind && one.readyState === "live");
  let ear = null, earTrack = null;
  const listen = () => {
    const tracks = received("audio");
    const track = tracks[tracks.length - 1];
    if (track === undefined) throw new Error("no sound is received");
    if (track !== earTrack) {
      ear?.disconnect();
      ear = audio().createMediaStreamSource(new MediaStream([track]));
      // Always drawn from, though in silence: otherwise what nobody listened to is queued, and heard later.
      const silence = context.createGain();
      silence.gain.value = 0;
      ear.connect(silence).connect(context.destination);
      earTrack = track;
    }
    const analyser = audio().createAnalyser();
    analyser.fftSize = 4096;
    analyser.minDecibels = -70;
    analyser.maxDecibels = -10;
    analyser.smoothingTimeConstant = 0;
    ear.connect(analyser);
    return analyser;
  };
  const look = (video) => {
    const canvas = document.createElement("canvas");
    canvas.width = 16;
    canvas.height = 9;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(video, 0, 0, 16, 9);
    const data = pen.getImageData(0, 0, 16, 9).data;
    const sum = [0, 0, 0];
    for (let at = 0; at < data.length; at += 4) for (const part of [0, 1, 2]) sum[part] += data[at + part];
    return sum.map((one) => one / (data.length / 4));
  };
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  window.member = {
    connections,
    speak(aloud) { audio(); gain.gain.setTargetAtTime(aloud ? 0.4 : 0, context.currentTime, 0.005); },
    // The median of each pitch within `ms`, 0 (-70 dB or less) to 255 (-10 dB): a click is at all pitches, but not for long.
    async energies(pitches, ms) {
      const analyser = listen();
      const seen = pitches.map(() => []);
      await pause(150); // the analyser's window fills first
      for (const end = performance.now() + ms; performance.now() < end; await pause(40)) {
        pitches.forEach((hz, at) => seen[at].push(energyAt(analyser, hz)));
      }
      ear.disconnect(analyser);
      return seen.map((all) => all.sort((a, b) => a - b)[all.length >> 1]);
    },
    // Member id -> {colour: mean RGB, shown: is it to be seen}
    pictures() {
      const out = {};
      for (const tile of document.querySelectorAll("[data-member]")) {
        const video = tile.querySelector("video");
        if (video.videoWidth > 0) {
          out[tile.dataset.member] = { colour: look(video), shown: tile.classList.contains("pictured") };
        }
      }
      return out;
    },
    // A white picture and a tone, begun together; wall-clock time, so that another page can read it.
    clap(ms) {
      audio();
      flashUntil = performance.now() + ms;
      gain.gain.setValueAtTime(0.5, context.currentTime);
      gain.gain.setValueAtTime(0, context.currentTime + ms / 1000);
      camera.track.draw();
      return performance.timeOrigin + performance.now();
    },
    // When the next white picture is shown and the next loud sound is handed to the loudspeaker (wall-clock ms), or
    // null for what never comes. Sound is read from the track itself: Web Audio keeps a queue of its own before its nodes.
    async awaitClap(id, limit) {
      const video = document.querySelector(`[data-member="${id}"] video`);
      const seen = new Promise((done) => {
        const frame = (now, { presentationTime }) => {
          if (Math.min(...look(video)) > 190) done(performance.timeOrigin + presentationTime);
          else video.requestVideoFrameCallback(frame);
        };
        video.requestVideoFrameCallback(frame);
        setTimeout(() => done(null), limit);
      });
      const heard = (async () => {
        const track = received("audio").pop().clone();
        const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 2 }).readable.getReader();
        const timer = setTimeout(() => track.stop(), limit);
        let at = null;
        while (at === null) {
          const { value, done } = await reader.read();
          if (done) break;
          const wave = new Float32Array(value.numberOfFrames);
          value.copyTo(wave, { planeIndex: 0, format: "f32-planar" });
          value.close();
          if (Math.max(...wave) > 0.08) at = performance.timeOrigin + performance.now();
        }
        clearTimeout(timer);
        track.stop();
        return at;
      })();
      return { seen: await seen, heard: await heard };
    },
  };
})();
"""


@attrs.frozen
class Guise:
    """How a member is told from the others: its name, the pitch of its voice, the colour of its picture."""

    name: str
    tone_hz: int
    colour: str  # "#rrggbb"

    def script(self, *, speaking: bool = False, devices: bool = True) -> str:
        """`devices` false leaves getUserMedia as the browser has it; eyes and ears are there all the same."""
        settings = {"tone_hz": self.tone_hz, "colour": self.colour, "speaking": speaking, "devices": devices}
        return MEMBER_SCRIPT.replace("__SETTINGS__", json.dumps(settings))

    def looks_like(self, mean: Sequence[float]) -> bool:
        """True if a mean RGB is this colour, as far as chroma subsampling and the moving square allow."""
        own = [int(self.colour[at : at + 2], 16) for at in (1, 3, 5)]
        return math.dist(own, mean) < 60


ANNA = Guise("Anna", 500, "#d02020")
BOB = Guise("Bob", 1100, "#20a040")
CARLA = Guise("Carla", 2300, "#2040d0")

LOUD = 150  # of 255 at a pitch: spoken
QUIET = 70  # not spoken; between the two lies what a test should not judge


@attrs.define(eq=False)
class Member:
    """A guise on a page of a room."""

    page: Page
    guise: Guise

    async def joined(self, timeout_s: float = 20.0) -> str:
        """Waits until it is in the room and connected; returns its member id."""
        ready = (
            "window.atrium?.state === 'joined' && (await atrium.stats())?.connection === 'connected' && atrium.callId"
        )
        return str(await self.page.wait_for(f"(async () => {ready})()", timeout_s))

    async def frames_from(self, member_id: str) -> int:
        stats = await self.page.evaluate("atrium.stats()")
        return int((stats or {}).get("video", {}).get(member_id, {}).get("framesDecoded") or 0)

    async def wait_for_frames(self, member_id: str, more: int = 5, timeout_s: float = 15.0) -> None:
        """Waits until that many more frames of a member have been decoded."""
        before = await self.frames_from(member_id)
        own = json.dumps(member_id)
        await self.page.wait_for(
            f"(async () => ((await atrium.stats()).video[{own}]?.framesDecoded ?? 0) >= {before + more})()", timeout_s
        )

    async def pictures(self) -> dict[str, dict[str, Any]]:
        return dict(await self.page.evaluate("member.pictures()"))

    async def speak(self, aloud: bool) -> None:
        await self.page.evaluate(f"member.speak({json.dumps(aloud)})")

    async def hears(self, *guises: Guise, ms: int = 600) -> dict[str, bool]:
        """Which voices arrive now, by name. What is neither loud nor quiet fails the test that asked."""
        pitches = [guise.tone_hz for guise in guises]
        energies = await self.page.evaluate(f"member.energies({json.dumps(pitches)}, {ms})")
        unclear = {g.name: e for g, e in zip(guises, energies, strict=True) if QUIET <= e <= LOUD}
        if unclear:
            raise PageError(f"neither loud nor quiet: {unclear}")
        return {guise.name: energy > LOUD for guise, energy in zip(guises, energies, strict=True)}


async def open_member(chromium: Chromium, address: str, guise: Guise, *, speaking: bool = False, **how: Any) -> Member:
    """Opens a room's page with `join=1`: it enters by itself. `address` is the room's, without a query."""
    page = await chromium.open(f"{address}?name={guise.name}&join=1", script=guise.script(speaking=speaking), **how)
    return Member(page, guise)
