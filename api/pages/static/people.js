// The panel beside the stage: everybody in the room with what there is to say of them and how loud they are. Administrators also
// have buttons there to mute, to stop a camera and, after a question, to remove.

import { $, askIn, element, icon } from "./page.js";
import { called, hue, initials, states } from "./roster.js";
import { loudness } from "./tiles.js";

const KINDS = { audio: ["mic", "mic-off"], video: ["camera", "camera-off"] };

export class People {
  #list = $("people-list");
  #rows = new Map(); // id → {element, …}
  #handlers;
  #doomed = null; // whom the open question is about

  /** handlers: {act(method, params), onToggle(): it was opened or closed} */
  constructor(handlers) {
    this.#handlers = handlers;
    $("panel-close").addEventListener("click", () => this.close());
    $("panel").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  get isOpen() {
    return !$("panel").hidden;
  }

  /** The keyboard goes along: to `focus`, or to the heading. */
  open(focus = null) {
    $("panel").hidden = false;
    this.#handlers.onToggle();
    (focus ?? $("panel-title")).focus();
  }

  close() {
    if (!this.isOpen) return;
    const held = $("panel").contains(document.activeElement);
    $("panel").hidden = true;
    this.#handlers.onToggle();
    if (held) $("people").focus();
  }

  /** members: MEMBERs, ourselves among them; isAdmin: whether we may act on the others. Nobody looks at a closed panel. */
  update(members, self, speaker, isAdmin) {
    if (!this.isOpen) return;
    const here = new Set(members.map((member) => member.id));
    for (const [id, row] of this.#rows) {
      if (here.has(id)) continue;
      const held = row.element.contains(document.activeElement);
      row.element.remove();
      this.#rows.delete(id);
      if (held) $("panel-title").focus();
    }
    if (this.#doomed !== null && !(isAdmin && here.has(this.#doomed))) $("confirm").close("");
    members.forEach((member, at) => {
      const row = this.#rows.get(member.id) ?? this.#make(member.id);
      if (this.#list.children[at] !== row.element) this.#list.insertBefore(row.element, this.#list.children[at]);
      this.#paint(row, member, member.id === self, member.id === speaker, isAdmin);
    });
  }

  /** As in Tiles. */
  level(id, level) {
    this.#rows.get(id)?.meter.style.setProperty("--level", loudness(level).toFixed(2));
  }

  #make(id) {
    const box = element("li", "person");
    box.dataset.person = id;
    const avatar = element("span", "avatar");
    avatar.setAttribute("aria-hidden", "true");
    const who = element("div", "who");
    const name = element("span", "name");
    const about = element("span", "states");
    who.append(name, about);
    const meter = element("span", "meter");
    const palm = element("span", "palm");
    palm.append(icon("hand"));
    const acts = element("div", "acts");
    const row = { element: box, avatar, name, about, meter, acts, member: null };
    for (const kind of Object.keys(KINDS)) {
      row[kind] = this.#button(acts, KINDS[kind], () => {
        const muted = row.member[`${kind}_muted_by_admin`];
        this.#handlers.act(`${muted ? "unmute" : "mute"}_member_${kind}`, { member: id });
      });
    }
    row.remove = this.#button(acts, ["remove"], () => this.#remove(id, called(row.member)));
    box.append(avatar, palm, meter, who, acts);
    this.#rows.set(id, row);
    return row;
  }

  #button(acts, icons, onClick) {
    const button = element("button", "mini");
    button.type = "button";
    button.append(...icons.map(icon));
    button.addEventListener("click", onClick);
    acts.append(button);
    return button;
  }

  #paint(row, member, self, speaking, isAdmin) {
    const name = called(member);
    row.member = member;
    row.avatar.textContent = initials(name);
    row.avatar.style.setProperty("--hue", String(hue(name)));
    row.name.textContent = self ? `${name} (you)` : name;
    row.about.textContent = [member.is_admin && "admin", ...states(member)].filter(Boolean).join(", ");
    row.element.classList.toggle("speaking", speaking);
    row.element.classList.toggle("raised", Boolean(member.hand_raised));
    row.element.classList.toggle("silent", Boolean(member.audio_muted || member.audio_muted_by_admin));
    row.acts.hidden = !isAdmin || self;
    if (row.acts.hidden) return;
    label(row.audio, `Mute ${name}`, member.audio_muted_by_admin);
    label(row.video, `Stop the camera of ${name}`, member.video_muted_by_admin);
    label(row.remove, `Remove ${name} from the room`);
  }

  async #remove(id, name) {
    this.#doomed = id;
    $("confirm-title").textContent = `Remove ${name} from the room?`;
    const answer = await askIn($("confirm"));
    this.#doomed = null;
    if (answer === "yes") this.#handlers.act("remove_member", { member: id });
  }
}

/** The label says what the button does, and never changes; whether it is done, aria-pressed says. */
function label(button, text, pressed) {
  button.setAttribute("aria-label", text);
  button.title = text;
  if (pressed !== undefined) button.setAttribute("aria-pressed", String(Boolean(pressed)));
}
