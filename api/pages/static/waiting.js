// Who waits at the door, as administrators see it: a list with Admit and Deny for each, and a number on the buttons that lead
// to it. A fold of `member_waiting` and the three ways in which a wait ends (contract room-api, section 5.4).

import { $, announce, element } from "./page.js";
import { called, hue, initials } from "./roster.js";

const ENDS = new Set(["member_leave_waiting_room", "member_waiting_allowed", "member_waiting_rejected"]);

export class Waiting {
  #list = $("waiting-list");
  #rows = new Map(); // id → {element, name, known, buttons}
  #handlers;

  /** handlers: {decide("allow_member" | "reject_member", id): a promise, onChange()} */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  get size() {
    return this.#rows.size;
  }

  /** Begins anew, with what get_waiting_room_members answered. */
  reset(parties) {
    const here = new Set(parties.map((party) => party.member));
    for (const id of [...this.#rows.keys()]) if (!here.has(id)) this.#drop(id);
    for (const party of parties) this.#put(party);
    if (parties.length > 0) announce(parties.length === 1 ? `${called(parties[0])} asks to join` : `${parties.length} ask to join`);
    this.#handlers.onChange();
  }

  /** Returns true if the notification was about the waiting room. */
  apply(method, params) {
    if (method === "member_waiting") {
      const isNew = !this.#rows.has(params.member); // who waits long is heard of again and again
      this.#put(params);
      if (isNew) announce(`${called(params)} asks to join`);
    } else if (ENDS.has(method)) {
      this.#drop(params.member);
    } else {
      return false;
    }
    this.#handlers.onChange();
    return true;
  }

  /** Where the keyboard should be to decide: the first Admit, or null. */
  get first() {
    return this.#list.querySelector("button");
  }

  #put(party) {
    const name = called(party);
    const row = this.#rows.get(party.member) ?? this.#make(party.member);
    row.avatar.textContent = initials(name);
    row.avatar.style.setProperty("--hue", String(hue(name)));
    row.name.textContent = name;
    // Only of people who are not on the room's list is the user told; of the others there is nothing to say.
    row.known.textContent = party.user ? "signed in, not on the list" : "";
    row.admit.setAttribute("aria-label", `Admit ${name}`);
    row.deny.setAttribute("aria-label", `Deny ${name}`);
  }

  #make(id) {
    const box = element("li", "person");
    box.dataset.party = id;
    const avatar = element("span", "avatar");
    avatar.setAttribute("aria-hidden", "true");
    const who = element("div", "who");
    const name = element("span", "name");
    const known = element("span", "states");
    who.append(name, known);
    const admit = element("button", "primary", "Admit");
    const deny = element("button", "quiet", "Deny");
    const row = { element: box, avatar, name, known, admit, deny };
    for (const [button, method] of [[admit, "allow_member"], [deny, "reject_member"]]) {
      button.type = "button";
      button.addEventListener("click", () => this.#decide(id, row, method));
    }
    box.append(avatar, who, admit, deny);
    this.#list.append(box);
    this.#rows.set(id, row);
    return row;
  }

  async #decide(id, row, method) {
    if (row.element.ariaBusy === "true") return; // not `disabled`, which would lose the keyboard's place
    row.element.ariaBusy = "true";
    const done = await this.#handlers.decide(method, id);
    row.element.ariaBusy = null;
    if (done && this.#rows.get(id) === row) {
      this.#drop(id);
      this.#handlers.onChange();
    }
  }

  /** The keyboard goes on with the next one who waits. */
  #drop(id) {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    const held = row.element.contains(document.activeElement);
    const next = row.element.nextElementSibling ?? row.element.previousElementSibling;
    row.element.remove();
    this.#rows.delete(id);
    if (held) (next?.querySelector("button") ?? $("panel-title")).focus();
  }
}
