// The sign-in form: an administrator's name and password, or what a licence's holder has been given.

import { $ } from "../page.js";
import { Away, Refused, Unwelcome } from "./client.js";

export class SignIn {
  #client;
  #onDone;
  #busy = false;

  /** onDone(viewer) */
  constructor(client, onDone) {
    this.#client = client;
    this.#onDone = onDone;
    for (const choice of document.getElementsByName("as")) choice.addEventListener("change", () => this.#choose());
    $("sign-in-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** refusal: why it is shown, if it is shown again. */
  open(refusal = "") {
    $("sign-in").hidden = false;
    this.#choose();
    this.#refuse(refusal);
    this.#field().focus();
  }

  close() {
    $("sign-in").hidden = true;
    $("password").value = $("token").value = "";
  }

  get #asHolder() {
    return $("sign-in-form").elements.as.value === "holder";
  }

  #field() {
    return this.#asHolder ? $("token") : $("password");
  }

  #choose() {
    $("by-password").hidden = this.#asHolder;
    $("by-token").hidden = !this.#asHolder;
    $("user").required = $("password").required = !this.#asHolder;
    $("token").required = this.#asHolder;
    this.#refuse("");
  }

  async #submit() {
    if (this.#busy) return;
    this.#setBusy(true);
    this.#refuse("");
    try {
      if (this.#asHolder) this.#client.signInBy($("token").value.replace(/^\s*bearer\s/i, "").replace(/\s+/g, ""));
      else await this.#client.signInAs($("user").value.trim(), $("password").value);
      const { viewer } = await this.#client.get("/v1/live/viewer");
      this.#onDone(viewer);
    } catch (error) {
      this.#client.signOut();
      this.#refuse(this.#reason(error));
      this.#field().focus();
    } finally {
      this.#setBusy(false);
    }
  }

  #reason(error) {
    if (error instanceof Unwelcome) {
      return this.#asHolder
        ? "This is no licence key of this server, or one that is no longer valid."
        : "User or password is wrong.";
    }
    if (error instanceof Refused && error.status === 429) {
      const when = error.retryAfterS === null ? "later" : `in ${Math.ceil(error.retryAfterS)} seconds`;
      return `Too many attempts have failed. Try again ${when}.`;
    }
    if (error instanceof Refused) return `The server refuses: ${error.message}.`;
    if (error instanceof Away) return "The server does not answer. Try again in a moment.";
    if (error instanceof TypeError) return "This is no token: it has signs that no token has."; // no legal header
    throw error;
  }

  #refuse(text) {
    $("refusal").textContent = text;
    $("refusal").hidden = text === "";
  }

  #setBusy(busy) {
    this.#busy = busy;
    $("sign-in-form").setAttribute("aria-busy", String(busy));
    $("sign-in-form").querySelector("[type=submit]").disabled = busy;
  }
}
