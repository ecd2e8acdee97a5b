// What stands around every view: the sections, who looks, whether what is shown is of now, the tab's title.

import { $, icon } from "../page.js";
import { set, write, h } from "./dom.js";

const STATES = { loading: "Loading", live: "Live", paused: "Paused", away: "No answer" };
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export class Shell {
  #onUnwelcome;
  #heard = null; // when the server last answered

  /** onSignOut(), onUnwelcome(reason): the server does not know who we are any more, or says why it will not know. */
  constructor({ onSignOut, onUnwelcome }) {
    this.#onUnwelcome = onUnwelcome;
    $("sign-out").addEventListener("click", onSignOut);
    $("skip").addEventListener("click", () => $("main").focus());
  }

  /** sections: [{path, label, icon}]; name: who has signed in. */
  open(sections, name) {
    $("sections").replaceChildren(...sections.map(({ path, label, icon: picture }) =>
      h("a", { href: `#/${path}`, "data-path": path }, icon(picture), h("span", {}, label))));
    write($("viewer"), name);
    $("sections").hidden = $("account").hidden = false;
    this.#state("loading");
  }

  close() {
    $("sections").hidden = $("account").hidden = true;
    this.#heard = null;
    this.#trouble("");
    this.title("Sign in");
  }

  /** Which section the view of this path is in. */
  here(path) {
    for (const link of $("sections").children) {
      const own = link.dataset.path;
      const within = path === own || path.startsWith(`${own.split("/")[0]}/`);
      set(link, "aria-current", path === own ? "page" : within ? "true" : null);
    }
  }

  title(text) {
    document.title = `${text} · Atrium`;
  }

  // --- what pollers tell ---

  fresh() {
    this.#heard = Date.now();
    this.#state("live");
    this.#trouble("");
  }

  away(reason) {
    this.#state("away");
    const since = this.#heard === null ? "" : ` What you see is of ${clock.format(this.#heard)}.`;
    this.#trouble(`${reason}${since} Trying again …`);
  }

  paused() {
    this.#state("paused");
  }

  unwelcome(reason) {
    this.#onUnwelcome(reason);
  }

  #state(state) {
    set($("pulse"), "data-state", state);
    write($("pulse"), STATES[state]);
    set(document.body, "data-stale", state === "away");
  }

  #trouble(text) {
    if ($("trouble").textContent === text) return; // or it would be read out each time
    $("trouble").textContent = text;
    $("trouble").hidden = text === "";
  }
}
