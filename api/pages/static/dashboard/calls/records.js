// Every record as it is (contract analytics, section 9): by kind and app, newest first; one that is chosen is shown whole.

import { Unwelcome } from "../client.js";
import { h, write } from "../dom.js";
import { count } from "../format.js";
import { back, loading, title } from "../parts.js";
import { brief, named } from "./words.js";

const PAGE = 50;
const COLUMNS = {
  organizations: ["id", "name", "created_at"],
  apps: ["id", "name", "organization", "recording", "created_at"],
  conferences: ["id", "conference_id", "conference_name", "app", "created_at"],
  participants: ["id", "participant_id", "participant_name", "app", "created_at"],
  sessions: ["id", "conference", "participant", "webrtc_sdk", "created_at"],
  connections: ["id", "participant", "peer", "type", "state", "created_at"],
  tracks: ["id", "session", "connection", "track_id", "direction", "kind", "created_at"],
  events: ["id", "conference", "participant", "connection", "type", "category", "created_at"],
  issues: ["id", "session", "connection", "type", "code", "created_at"],
  summaries: ["id", "conference", "status", "created_at", "end_time", "version"],
};
const BESIDE = new Set(["tracks", "events", "summaries"]); // whose paths clients have for something else, or not at all

export class RecordsView {
  title = "Records";
  element;
  #context;
  #chosen;
  #at = 0;
  #asked = 0; // answers of an earlier choice come too late
  #kinds = h("select", { "aria-label": "Kind of record" }, ...Object.keys(COLUMNS).map((kind) => h("option", { value: kind }, kind)));
  #apps = h("select", { "aria-label": "App" });
  #loading = loading("Loading the records");
  #head = h("tr");
  #body = h("tbody");
  #table = h("table", { class: "listing records" }, h("caption", { class: "unheard" }, "Records"), h("thead", {}, this.#head), this.#body);
  #newer = h("button", { type: "button", class: "quiet" }, "Newer");
  #older = h("button", { type: "button", class: "quiet" }, "Older");
  #place = h("span", { class: "hint", "aria-live": "polite" });
  #ended = new AbortController();

  constructor(context) {
    this.#context = context;
    this.#chosen = context.keep("records", { kind: "conferences", app: "" });
    this.#kinds.value = this.#chosen.kind;
    const anew = () => {
      this.#chosen.kind = this.#kinds.value;
      this.#chosen.app = this.#apps.value;
      this.#at = 0;
      this.#load();
    };
    this.#kinds.addEventListener("change", anew);
    this.#apps.addEventListener("change", anew);
    for (const [button, by] of [[this.#newer, -PAGE], [this.#older, PAGE]]) {
      button.addEventListener("click", () => {
        this.#at = Math.max(0, this.#at + by);
        this.#load();
      });
    }
    this.element = h("div", { class: "view" }, back("#/calls", "Calls"),
      h("div", { class: "heading" }, title("Records"), h("div", { class: "tools" }, this.#kinds, this.#apps)),
      this.#loading, this.#table, h("div", { class: "pages" }, this.#newer, this.#place, this.#older));
  }

  async start() {
    const apps = await this.#ask("apps");
    if (apps === null) return;
    this.#apps.replaceChildren(...apps.data.map((app) => h("option", { value: app.id }, named(app.name, app.id))));
    if (apps.data.some((app) => app.id === this.#chosen.app)) this.#apps.value = this.#chosen.app;
    this.#chosen.app = this.#apps.value;
    this.#load();
  }

  stop() {
    this.#ended.abort();
  }

  async #load() {
    const { kind, app } = this.#chosen;
    const mine = ++this.#asked;
    const isWhole = kind === "organizations" || kind === "apps";
    const query = new URLSearchParams({ appId: app, limit: PAGE, offset: this.#at, order: "-created_at" });
    const found = isWhole ? await this.#ask(kind) : app === "" ? { results: [], count: 0 } : await this.#ask(`${BESIDE.has(kind) ? "records/" : ""}${kind}?${query}`);
    if (found === null || mine !== this.#asked) return;
    const [rows, all] = isWhole ? [found.data, found.data.length] : [found.results, found.count];
    this.#loading.hidden = true;
    this.#head.replaceChildren(...COLUMNS[kind].map((name) => h("th", { scope: "col" }, name)));
    this.#body.replaceChildren(...rows.map((record) => this.#row(kind, record)));
    this.#newer.disabled = this.#at === 0;
    this.#older.disabled = isWhole || this.#at + PAGE >= all;
    write(this.#place, all === 0 ? "None" : `${count(this.#at + 1)} to ${count(this.#at + rows.length)} of ${count(all)}`);
  }

  #row(kind, record) {
    const [first, ...rest] = COLUMNS[kind];
    const open = h("button", { type: "button", class: "plain" }, record[first]);
    open.addEventListener("click", () => show(kind, record));
    return h("tr", {}, h("th", { scope: "row" }, open), ...rest.map((name) => h("td", { "data-label": name }, brief(record[name], 40) || "–")));
  }

  async #ask(path) {
    const { client, shell } = this.#context;
    try {
      const answer = await client.get(`/analytics/v1/${path}`, this.#ended.signal);
      shell.fresh();
      return answer;
    } catch (error) {
      if (this.#ended.signal.aborted) return null;
      if (error instanceof Unwelcome) shell.unwelcome();
      else shell.away(`The records cannot be shown: ${error.message}.`);
      return null;
    }
  }
}

function show(kind, record) {
  const close = h("button", { type: "button", class: "quiet" }, "Close");
  const dialog = h("dialog", { class: "ask asking record" }, h("h2", {}, kind.replace(/s$/, "")), h("pre", {}, JSON.stringify(record, null, 2)),
    h("div", { class: "answers" }, close));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
