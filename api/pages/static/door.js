// Before and after the call: the form with one's name and, if need be, proofs of who one is; the wait to be let in; the
// way back. Passwords stay in their fields, for another try, and go nowhere but to the server. Whom the page around this one
// has asked in meets no form and is asked nothing.

import { $, say } from "./page.js";

/** Says that one is on the way in, before there is a Door. */
export function comeIn() {
  $("door").hidden = true;
  $("waiting").hidden = false;
  $("waiting-title").textContent = "Joining …";
}

/** Says that there is no way in. */
export function turnAway(title, hint) {
  $("lobby").hidden = true;
  $("left").hidden = false;
  $("left-title").textContent = title;
  $("left-hint").textContent = hint;
  $("rejoin").hidden = true;
}

export class Door {
  #handlers;
  #invitation;
  #tried = {}; // the credentials of the last try

  /**
   * invitation: {name, credentials: what one came with instead of proofs to be typed, else null; isAsked: by the page around}.
   * handlers: {onEnter(name, credentials), onCancel(), onRejoin(), onName()}
   */
  constructor(invitation, handlers) {
    this.#handlers = handlers;
    this.#invitation = invitation;
    $("signin").hidden = invitation.credentials !== null;
    $("name").value = invitation.name || rememberedName();
    $("name").addEventListener("input", handlers.onName);
    $("door").addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter();
    });
    $("ask-again").addEventListener("click", () => this.enter());
    $("cancel").addEventListener("click", () => handlers.onCancel());
    $("prove").addEventListener("click", () => {
      handlers.onCancel();
      this.#askForProof("Sign in, or give the password of the room.", "room-password");
    });
    $("rejoin").addEventListener("click", handlers.onRejoin);
  }

  get name() {
    return this.#invitation.isAsked ? this.#invitation.name : $("name").value.trim();
  }

  enter() {
    if (!this.#invitation.isAsked) rememberName(this.name);
    this.#tried = this.#credentials();
    this.#handlers.onEnter(this.name, this.#tried);
  }

  /** Puts a state of the stay into words; see Stay for what `why` may be. Returns whether that was the end. */
  show(state, why, detail, roomName) {
    const { isAsked } = this.#invitation;
    const refused = state === "lobby" && why !== "";
    const isOver = state === "left" || (isAsked && refused);
    const waits = state === "waiting" || state === "rejected" || isAsked;
    $("lobby").hidden = isOver || state === "joined" || state === "reconnecting";
    $("left").hidden = !isOver;
    const waited = !$("waiting").hidden;
    // Let in, or asking again, one stays where one has waited until the room is there.
    if (state !== "joining") {
      $("waiting").hidden = !waits;
      $("door").hidden = waits;
    }
    $("join").disabled = state === "joining";
    $("join").textContent = state === "joining" ? "Joining …" : "Join";
    if (state === "joining") this.#wait("Joining …", "", false);
    if (state === "waiting") this.#wait("Asking to join …", "Somebody inside has to let you in. You join by yourself as soon as they do.", false);
    if (state === "rejected") this.#wait("You were not let in", "Nobody inside opened the door this time. You can ask again.", true);
    if (waits && !waited) $("waiting-title").focus();
    if (state === "lobby" && waited && !isAsked) $("name").focus();
    if (state === "left") this.#leave(why, roomName);
    if (!refused) return isOver;
    if (isAsked) this.#end("You are not in the room", inWords(why, detail), "Try again");
    else if (why === "proof" && this.#tried.access_token === undefined) this.#refuse();
    else say(inWords(why, detail), { bad: true });
    return isOver;
  }

  #credentials() {
    if (this.#invitation.credentials !== null) return this.#invitation.credentials;
    const credentials = {};
    // A sign-in that is folded away is not meant, even if the browser has filled it in.
    if ($("signin").open && $("username").value !== "") {
      credentials.username = $("username").value;
      credentials.password = $("password").value;
    }
    if (!$("room-secret").hidden && $("room-password").value !== "") credentials.room_password = $("room-password").value;
    return credentials;
  }

  #wait(title, hint, rejected) {
    const held = document.activeElement === $("ask-again");
    $("waiting").classList.toggle("rejected", rejected);
    $("waiting-title").textContent = title;
    $("waiting-hint").textContent = hint;
    $("ask-again").hidden = !rejected;
    $("cancel").textContent = rejected ? "Back" : "Cancel";
    if (rejected) $("ask-again").focus();
    else if (held) $("waiting-title").focus();
  }

  #askForProof(hint, focus, bad = false) {
    $("room-secret").hidden = false;
    $("door-title").textContent = "This room is closed";
    $("door-hint").textContent = hint;
    $("door-hint").classList.toggle("bad", bad);
    $(focus).focus();
    $(focus).select();
  }

  /** What was wrong with the credentials; the server does not tell which of them it was. */
  #refuse() {
    const { username, room_password: password } = this.#tried;
    if (!username && !password) this.#askForProof("This room asks for its password.", "room-password");
    else if (!username) this.#askForProof("That is not the password of this room.", "room-password", true);
    else if (password) this.#askForProof("The user name, its password or the password of the room is not right.", "password", true);
    else this.#askForProof("That user name or password is not right, or this room asks for its own password too.", "password", true);
  }

  #leave(why, roomName) {
    const again = this.#invitation.credentials === null ? "Ask to join again" : "Join again";
    const words = {
      left: ["You left the room", `“${roomName}” stays open for the others.`, "Join again"],
      removed: ["You are out of the room", "An administrator took you out, or closed the room.", again],
      ended: ["The room has ended", "Perhaps it was closed, or its name has changed.", "Try again"],
      elsewhere: ["You joined from somewhere else", "This page has handed the call over.", "Join here"],
    };
    this.#end(...words[why]);
  }

  #end(title, hint, button) {
    $("left-title").textContent = title;
    $("left-hint").textContent = hint;
    $("rejoin").textContent = button;
    $("left-title").focus();
  }
}

/** Why one was not let in, but for proofs that can be typed better. */
function inWords(why, detail) {
  return {
    proof: `This way into the room is not valid, or not any more. Please come in anew from where you found it. The server says: ${detail}.`,
    full: "Every place that there is for such calls is taken at the moment. Please try again later.",
    refused: `The server did not let you in: ${detail}.`,
    codecs: "This browser and the server have no way of coding sound and picture in common.",
    unusable: `This browser could not set up sound and picture. ${detail}`,
  }[why];
}

// Storage throws where it is forbidden, as in some private windows and frames; then the name is asked for each time.
function rememberName(name) {
  try {
    localStorage.setItem("atrium.name", name);
  } catch {}
}

function rememberedName() {
  try {
    return localStorage.getItem("atrium.name") ?? "";
  } catch {
    return "";
  }
}
