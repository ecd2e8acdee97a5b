// The apps whose calls are analysed: their keys, what they may do, how much they were used; and how one is made.

import { $ } from "../../page.js";
import { Rows, h, row, set, table, write } from "../dom.js";
import { usage } from "../format.js";
import { emptiness, loading, title } from "../parts.js";
import { Poller } from "../poller.js";
import { Spark } from "../spark.js";
import { ask } from "./forms.js";
import { searchBox } from "./search.js";

const REFRESH_MS = 30_000;
const COLUMNS = [
  { name: "name", label: "App" },
  { name: "key", label: "API key" },
  { name: "domain", label: "Domain" },
  { name: "state", label: "Recording" },
  { name: "used", label: "Calls, last 31 days", number: true },
  { name: "tools", label: "Change" },
];

export class AppsView {
  title = "Calls";
  element;
  #context;
  #poller;
  #organization = null;
  #heading = title("Calls");
  #loading = loading("Loading the apps");
  #table = table("Apps", COLUMNS, { class: "listing apps", hidden: true });
  #rows;
  #make = h("button", { type: "button", class: "primary" }, "New app");
  #empty = emptiness(
    "There is no app yet",
    "An app is what calls belong to. Its key goes into the pages that report by SDK; the server's own rooms are of the oldest "
      + "app by themselves. “New app” makes one, and so does: atrium app add --organization ACME --name shop",
  );

  constructor(context) {
    this.#context = context;
    this.#empty.element.hidden = true;
    this.#rows = new Rows(this.#table.body, (app) => this.#appRow(app));
    this.#make.addEventListener("click", () => this.#new());
    this.element = h("div", { class: "view" },
      h("div", { class: "heading" }, this.#heading, h("div", { class: "tools" }, searchBox(context), this.#make)),
      this.#loading, this.#table.element, this.#empty.element,
      h("p", { class: "hint rest" }, h("a", { href: "#/calls/records" }, "All records")));
    const on = { answer: (answer) => this.#paint(answer), refusal: () => {}, shell: context.shell };
    const both = async (signal) => {
      const { client } = context;
      const [apps, organizations] = await Promise.all(
        ["apps", "organizations"].map((what) => client.get(`/analytics/v1/${what}`, signal)));
      return { apps: apps.data, organizations: organizations.data };
    };
    this.#poller = new Poller(both, REFRESH_MS, on);
  }

  start() {
    this.#poller.start();
  }

  stop() {
    this.#poller.stop();
  }

  #paint({ apps, organizations }) {
    this.#organization = organizations[0] ?? null;
    this.#loading.hidden = true;
    this.#table.element.hidden = apps.length === 0;
    this.#empty.element.hidden = apps.length > 0;
    this.#rows.update(apps, (app) => app.id, () => this.#heading.focus());
  }

  #new() {
    const fields = [{ name: "name", label: "Name", required: true }];
    if (this.#organization === null) {
      fields.unshift({ name: "organization", label: "Organization", required: true, hint: "There is one, and all apps belong to it." });
    }
    ask("New app", "", fields, "Make it", async ({ name, organization }) => {
      const { client } = this.#context;
      const owner = this.#organization
        ?? (await client.send("POST", "/analytics/v1/organizations", { name: organization })).data;
      this.#organization = owner;
      await client.send("POST", "/analytics/v1/apps", { organization: owner.id, name });
      this.#poller.now();
    });
  }

  #appRow(app) {
    const { element, cells } = row(COLUMNS, { "data-app": app.id });
    const link = h("a", { href: `#/calls/apps/${app.id}` });
    const key = h("code");
    const copy = h("button", { type: "button", class: "quiet small above" }, "Copy");
    copy.addEventListener("click", async () => {
      write(copy, await copied(key) ? "Copied" : "Selected");
      setTimeout(() => write(copy, "Copy"), 2000);
    });
    const state = h("span", { class: "chip" });
    const every = h("span", { class: "own" });
    const used = h("span");
    let spark = h("span");
    let drawn = "";
    const change = h("button", { type: "button", class: "quiet small above" }, "Edit");
    const renew = h("button", { type: "button", class: "quiet small above" }, "New key");
    const remove = h("button", { type: "button", class: "quiet small above" }, "Delete");
    cells.name.append(link);
    cells.key.append(key, " ", copy);
    cells.state.append(state, every);
    cells.used.append(used, spark);
    cells.tools.append(change, renew, remove);
    let now = app;
    change.addEventListener("click", () => this.#edit(now));
    renew.addEventListener("click", () => this.#renew(now));
    remove.addEventListener("click", () => this.#remove(now));
    const paint = (app) => {
      now = app;
      write(link, app.name);
      write(key, app.api_key);
      write(cells.domain, app.domain ?? "any");
      write(state, app.recording ? "on" : "paused");
      set(state, "class", app.recording ? "chip" : "chip off");
      write(every, ` each ${app.interval / 1000} s`);
      const days = Object.entries(app.durations_days).sort(([a], [b]) => a.localeCompare(b)).map(([, seconds]) => seconds);
      write(used, usage(days.reduce((sum, each) => sum + each, 0)));
      if (drawn === days.join()) return;
      drawn = days.join();
      const line = new Spark();
      for (const seconds of days) line.add(seconds / 60);
      spark.replaceWith(line.element);
      spark = line.element;
    };
    return { element, paint };
  }

  #edit(app) {
    const fields = [
      { name: "name", label: "Name", value: app.name, required: true },
      { name: "domain", label: "Domain", value: app.domain ?? "", hint: "From whose pages alone reports are taken; empty: any." },
      { name: "interval", label: "Statistics every … ms", value: app.interval, type: "number" },
      { name: "recording", label: "Takes reports", value: app.recording, type: "checkbox" },
    ];
    ask(`Edit ${app.name}`, "", fields, "Save", async ({ name, domain, interval, recording }) => {
      const body = { name, domain, interval: Number(interval), recording };
      await this.#context.client.send("PUT", `/analytics/v1/apps/${app.id}`, body);
      this.#poller.now();
    });
  }

  #renew(app) {
    ask(`A new key for ${app.name}?`, "Pages with the former key can report no longer.", [], "Make a new key", async () => {
      await this.#context.client.send("POST", `/analytics/v1/apps/${app.id}/reset-key`, {});
      this.#poller.now();
    }, { danger: true });
  }

  #remove(app) {
    ask(`Delete ${app.name}?`, "Its key stops working, and its calls are shown to nobody any more.", [], "Delete", async () => {
      await this.#context.client.delete(`/analytics/v1/apps/${app.id}`);
      this.#poller.now();
      $("main").focus();
    }, { danger: true });
  }
}

/** To the clipboard, which pages have over HTTPS only; else the key is selected, to be copied by hand. */
async function copied(node) {
  try {
    await navigator.clipboard.writeText(node.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(node);
    return false;
  }
}
