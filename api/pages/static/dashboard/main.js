// The dashboard's beginning: who looks, which sections there are for them, and one view at a time.
//
// A view is {title, element, start(), stop()}, made with a context (below) and the parameters of its route. It asks the server
// by a Poller, which tells the shell how that goes. A new section is a view, a line in `sections` and its routes.

import { $ } from "../page.js";
import { AppsView } from "./calls/apps.js";
import { ConferenceView } from "./calls/conference.js";
import { ConferencesView } from "./calls/conferences.js";
import { AppView } from "./calls/overview.js";
import { ParticipantView } from "./calls/participant.js";
import { RecordsView } from "./calls/records.js";
import { SearchView } from "./calls/search.js";
import { Client } from "./client.js";
import { LicenceView } from "./licence.js";
import { LicencesView } from "./licences.js";
import { LicenceNames } from "./names.js";
import { Poller } from "./poller.js";
import { RoomView } from "./room.js";
import { RoomsView } from "./rooms.js";
import { Router } from "./router.js";
import { Shell } from "./shell.js";
import { SignIn } from "./signin.js";

const RETRY_MS = 2000;

const client = new Client();
const shell = new Shell({ onSignOut, onUnwelcome });
const signIn = new SignIn(client, enter);
const router = new Router(
  [
    ["rooms", RoomsView],
    ["rooms/:id", RoomView],
    ["licences", LicencesView],
    ["licences/:id", LicenceView],
    ["calls", AppsView],
    ["calls/apps/:id", AppView],
    ["calls/apps/:id/conferences", ConferencesView],
    ["calls/apps/:id/conferences/:issue", ConferencesView],
    ["calls/conferences/:id", ConferenceView],
    ["calls/participants/:id", ParticipantView],
    ["calls/search/:words", SearchView],
    ["calls/records", RecordsView],
  ],
  show,
);

let context = null; // null while nobody has signed in
let view = null;
let isFirst = client.isSignedIn; // the page has just been loaded: where the focus is, is the browser's affair

/** What views have in common; it ends with the sign-in. */
class Context {
  client = client;
  shell = shell;
  names = new LicenceNames(client);
  #kept = new Map();
  #remembered = new Map();

  constructor(viewer) {
    this.viewer = viewer; // {kind: "administrator" | "holder", licence, domain}
  }

  /** What a viewer has chosen in a view, there again when the view is. */
  keep(name, begin) {
    if (!this.#kept.has(name)) this.#kept.set(name, begin);
    return this.#kept.get(name);
  }

  /** What a view showed last, to begin with when it is shown again. */
  remember(name, value) {
    this.#remembered.set(name, value);
  }

  recall(name) {
    return this.#remembered.get(name);
  }
}

function sections(viewer) {
  const licences = viewer.kind === "holder"
    ? { path: `licences/${viewer.licence}`, label: "Licence", icon: "licences" }
    : { path: "licences", label: "Licences", icon: "licences" };
  const calls = viewer.kind === "holder" ? [] : [{ path: "calls", label: "Calls", icon: "calls" }];
  return [{ path: "rooms", label: "Live rooms", icon: "rooms" }, ...calls, licences];
}

function begin() {
  router.start();
  if (!client.isSignedIn) {
    ask();
    return;
  }
  const welcome = {
    answer({ viewer }) {
      poller.stop();
      enter(viewer);
    },
    refusal: (error) => leave(`The server refuses: ${error.message}.`),
    shell,
  };
  const poller = new Poller((signal) => client.get("/v1/live/viewer", signal), RETRY_MS, welcome);
  view = { stop: () => poller.stop() };
  poller.start();
}

function enter(viewer) {
  context = new Context(viewer);
  signIn.close();
  shell.open(sections(viewer), viewer.kind === "holder" ? viewer.domain : "Administrator");
  document.body.dataset.state = "inside";
  router.go();
}

/** The router's: a view for an address. Nobody sees any without having signed in. */
function show(View, parameters, path) {
  if (context === null) return;
  if ((View === LicencesView || path.split("/")[0] === "calls") && context.viewer.kind === "holder") {
    location.replace(`#/licences/${encodeURIComponent(context.viewer.licence)}`);
    return;
  }
  view?.stop();
  view = new View(context, ...parameters);
  $("main").replaceChildren(view.element);
  shell.here(path);
  shell.title(view.title);
  view.start();
  // As after any link: whoever listens hears where they are.
  if (!isFirst) view.element.querySelector("h1").focus({ preventScroll: true });
  isFirst = false;
}

function ask(refusal = "") {
  document.body.dataset.state = "outside";
  shell.close();
  signIn.open(refusal);
}

/** The sign-in is over; the address stays, so that the next one leads back here. */
function leave(refusal) {
  client.signOut();
  view?.stop();
  view = null;
  context = null;
  isFirst = false;
  $("main").replaceChildren();
  ask(refusal);
}

function onSignOut() {
  leave("");
  history.replaceState(null, "", location.pathname);
}

function onUnwelcome(reason = "") {
  leave(reason === "" ? "Your sign-in is no longer valid. Please sign in again." : `The server refuses: ${reason}.`);
}

begin();
