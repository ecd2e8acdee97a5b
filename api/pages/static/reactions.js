// A few signs to answer with without a word. Others may send any short text (contract room-api, section 5.3): it is shown as it
// is, and never taken for anything but text.

import { $, askIn, element } from "./page.js";

const REACTIONS = new Map([
  ["👍", "thumbs up"],
  ["👏", "applause"],
  ["❤️", "heart"],
  ["😂", "laughter"],
  ["😮", "surprise"],
  ["🎉", "party"],
]);

/** Asks for one: a promise of the sign, or of "" if none is wanted. */
export function chooseReaction() {
  const choices = $("reaction-choices");
  if (choices.childElementCount === 0) {
    for (const [sign, name] of REACTIONS) {
      const button = element("button", "choice", sign);
      button.value = sign;
      button.title = name;
      button.setAttribute("aria-label", name);
      choices.append(button);
    }
  }
  return askIn($("reactions"));
}

/** What a listener is told. */
export function inWords(reaction) {
  return REACTIONS.get(reaction) ?? reaction;
}
