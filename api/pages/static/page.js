// What the parts of a page use: finding elements, the line at the top, news for those who listen, sound, icons.

export const $ = (id) => document.getElementById(id);

const NEWS = 5; // entries kept, so that several that come at once are all read

let lineTimer = 0;

/**
 * Says something at the top; bad: it is a trouble; seconds: it goes by itself; about: what it is about, so that `unsay` can
 * take it back. An empty text takes away whatever is there.
 */
export function say(text, { bad = false, seconds = 0, about = "" } = {}) {
  clearTimeout(lineTimer);
  const line = $("line");
  line.hidden = text === "";
  line.textContent = text;
  line.classList.toggle("bad", bad);
  line.dataset.about = about;
  if (seconds > 0) lineTimer = setTimeout(() => say(""), seconds * 1000);
}

/** Takes the line away if it is still about this. */
export function unsay(about) {
  if ($("line").dataset.about === about) say("");
}

/** For those who listen to the page. */
export function announce(text) {
  const entry = document.createElement("p");
  entry.textContent = text;
  $("news").append(entry);
  while ($("news").childElementCount > NEWS) $("news").firstElementChild.remove();
}

/** Plays an <audio>; no sound before the first touch of a page is the browser's rule, so it asks for one if need be. */
export function play(sound) {
  sound.play().catch((error) => {
    if (error.name !== "NotAllowedError") return;
    say("Click anywhere, or press a key, to hear the others.", { about: "sound" });
    const touched = new AbortController();
    const unlock = () => {
      touched.abort();
      sound.play().catch(() => {});
      unsay("sound");
    };
    for (const touch of ["pointerdown", "keydown"]) document.addEventListener(touch, unlock, { signal: touched.signal });
  });
}

/** An icon of the sheet in the page. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `icon ${name}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** An element of this class with this text in it, which is never taken for markup. */
export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/**
 * Opens a dialog and waits for what it is closed with: the value of the button, or "" for Escape and a click beside it.
 *
 * The `close` event would not do: browsers send it with a later frame. Who opens the dialog again before that would have the
 * end of the question before taken for the answer to the new one.
 */
export function askIn(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => {
    const watch = new MutationObserver(() => {
      watch.disconnect();
      dialog.removeEventListener("click", onBackdrop);
      answer(dialog.returnValue);
    });
    watch.observe(dialog, { attributeFilter: ["open"] });
    dialog.addEventListener("click", onBackdrop);
  });
}

function onBackdrop(event) {
  if (event.target === event.currentTarget) event.currentTarget.close("");
}
