"""Members of a room, as pages: what they show and play is known, and so it can be told what arrived from whom.

A member's camera is a moving picture of one colour, its microphone a tone of one pitch. What its page must know is in
`MEMBER_SCRIPT`, run before the page's own scripts.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import attrs

from tests.browser.chromium import Chromium, Page, PageError

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
  const ears = new Map(); // track -> node
  // All that is received, together: one track holds the whole room, or each member comes by a connection of its own.
  const listen = () => {
    const tracks = received("audio");
    if (tracks.length === 0) throw new Error("no sound is received");
    for (const [track, ear] of ears) {
      if (tracks.includes(track)) continue;
      ear.disconnect();
      ears.delete(track);
    }
    for (const track of tracks) {
      if (ears.has(track)) continue;
      const ear = audio().createMediaStreamSource(new MediaStream([track]));
      // Always drawn from, though in silence: otherwise what nobody listened to is queued, and heard later.
      const silence = context.createGain();
      silence.gain.value = 0;
      ear.connect(silence).connect(context.destination);
      ears.set(track, ear);
    }
    const analyser = audio().createAnalyser();
    analyser.fftSize = 4096;
    analyser.minDecibels = -70;
    analyser.maxDecibels = -10;
    analyser.smoothingTimeConstant = 0;
    for (const ear of ears.values()) ear.connect(analyser);
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
    look,
    speak(aloud) { audio(); gain.gain.setTargetAtTime(aloud ? 0.4 : 0, context.currentTime, 0.005); },
    // The median of each pitch within `ms`, 0 (-70 dB or less) to 255 (-10 dB): a click is at all pitches, but not for long.
    async energies(pitches, ms) {
      const analyser = listen();
      const seen = pitches.map(() => []);
      await pause(150); // the analyser's window fills first
      for (const end = performance.now() + ms; performance.now() < end; await pause(40)) {
        pitches.forEach((hz, at) => seen[at].push(energyAt(analyser, hz)));
      }
      for (const ear of ears.values()) ear.disconnect(analyser);
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

    async def line(self, words: str, timeout_s: float = 10.0) -> None:
        await line(self.page, words, timeout_s)

    async def tile_is(self, member_id: str, css_class: str, present: bool = True, timeout_s: float = 10.0) -> None:
        """Waits until the tile of a member has a class, or has it no more."""
        found = f"document.querySelector('[data-member=\"{member_id}\"]')?.classList.contains({css_class!r})"
        await self.page.wait_for(f"{found} === {json.dumps(present)}", timeout_s)

    async def tile_says(self, member_id: str, words: str, timeout_s: float = 10.0) -> None:
        """Waits until a tile is described so to those who do not see it."""
        label = f"document.querySelector('[data-member=\"{member_id}\"]')?.ariaLabel"
        await self.page.wait_for(f"{label} === {words!r}", timeout_s)

    async def packets(self, kind: str, member_id: str) -> int:
        """How many packets of that kind have arrived by now: of a member's picture, or of the room's sound."""
        stats = await self.page.evaluate("atrium.stats()")
        source = stats["sound"] if kind == "audio" else stats["video"].get(member_id)
        return int((source or {}).get("packets") or 0)

    async def sent_packets(self, kind: str) -> int:
        stats = await self.page.evaluate("atrium.stats()")
        return int(stats["sent"].get(kind, {}).get("packets") or 0)


async def line(page: Page, words: str, timeout_s: float = 10.0) -> None:
    """Waits until the line at the top says so."""
    await page.wait_for(
        f"!document.getElementById('line').hidden && document.getElementById('line').textContent.includes({words!r})",
        timeout_s,
    )


def faults(page: Page) -> list[str]:
    """What the page complained of: exceptions, refusals by its security policy, files that are not there."""
    return [text for text in page.console if text.startswith(("exception", "error", "warning"))]


async def open_member(
    chromium: Chromium, address: str, guise: Guise, *, speaking: bool = False, script: str = "", **how: Any
) -> Member:
    """Opens a room's page with `join=1`: it enters by itself. `address` is the room's, without a query."""
    script = guise.script(speaking=speaking) + script
    page = await chromium.open(f"{address}?name={guise.name}&join=1", script=script, **how)
    return Member(page, guise)


async def open_signed_in(
    chromium: Chromium, address: str, guise: Guise, username: str, password: str, *, speaking: bool = False, **how: Any
) -> Member:
    """Opens a room's page and signs in before it enters."""
    page = await chromium.open(f"{address}?name={guise.name}", script=guise.script(speaking=speaking), **how)
    await page.click("#signin summary")
    await page.type("#username", username)
    await page.type("#password", password)
    await page.press("Enter")
    return Member(page, guise)
