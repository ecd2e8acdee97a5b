// How an app's calls have been: by day, how long, with how many people; what went wrong; what people came with, and from where.

import { h, set, write } from "../dom.js";
import { count, shortDay } from "../format.js";
import { back, figures, loading, title } from "../parts.js";
import { Poller } from "../poller.js";
import { Bars, Columns } from "./bars.js";
import { searchBox } from "./search.js";
import { lastDays, since } from "./words.js";

const REFRESH_MS = 60_000;
const RANGES = [7, 30, 90];
const FIGURES = [["conferences", "Conferences"], ["good", "Without issues"], ["errors", "With errors"], ["relayed", "Relayed connections"], ["fast", "Set up within 1 s"]];
const OUTCOMES = [["success", "Good"], ["warning", "With warnings"], ["error", "With errors"], ["ongoing", "Going on"]];
const ROUTES = {
  days: "conferences/summary",
  durations: "conferences/duration-summary",
  people: "conferences/participant-count-summary",
  issues: "issues/summary",
  media: "issues/gum-summary",
  relayed: "connections/summary",
  setup: "connections/setup-time-summary",
  sessions: "sessions/summary",
};
const SECOND_MS = 1000;
const countries = new Intl.DisplayNames("en", { type: "region" });

export class AppView {
  title = "App";
  element;
  #context;
  #id;
  #range;
  #poller = null;
  #aboutPoller;
  #heading = title("App");
  #loading = loading("Counting");
  #body;
  #figures = figures(FIGURES);
  #days = new Columns("Conferences by day", OUTCOMES, { wide: true });
  #durations = new Columns("Conferences by duration", [["count", "Conferences"]]);
  #people = new Columns("Conferences by number of people", [["count", "Conferences"]]);
  #setup = new Columns("Connections by the time they took to come up", [["count", "Connections"]]);
  #lists = {
    issues: new Bars("Issues"),
    media: new Bars("Refused cameras and microphones"),
    browsers: new Bars("Browsers"),
    systems: new Bars("Systems"),
    countries: new Bars("Countries"),
    cities: new Bars("Cities"),
    relayed: new Bars("Direct or relayed"),
  };

  constructor(context, id) {
    this.#context = context;
    this.#id = encodeURIComponent(id);
    this.#range = context.keep("calls range", { days: 30 });
    const card = (name, element) => h("section", { class: "panel-like" }, h("h2", {}, name), element);
    const list = (name, key) => card(name, this.#lists[key].element);
    this.#body = h("div", { hidden: true }, this.#figures.element,
      card("Conferences", this.#days.element),
      h("div", { class: "cards" },
        list("Issues", "issues"), list("Refused cameras and microphones", "media"),
        card("How long", this.#durations.element), card("How many people", this.#people.element),
        card("Time to connect", this.#setup.element), list("Direct or relayed", "relayed"),
        list("Browsers", "browsers"), list("Systems", "systems"),
        list("Countries", "countries"), list("Cities", "cities")));
    this.element = h("div", { class: "view" }, back("#/calls", "Calls"),
      h("div", { class: "heading" }, this.#heading, h("div", { class: "tools" }, searchBox(context), this.#ranges())),
      h("p", { class: "rest" }, h("a", { class: "button-like", href: `#/calls/apps/${this.#id}/conferences` }, "All conferences")),
      this.#loading, this.#body);
    const on = { answer: ({ data }) => this.#named(data), refusal: (error) => write(this.#heading, error.message), shell: context.shell };
    this.#aboutPoller = new Poller((signal) => context.client.get(`/analytics/v1/apps/${this.#id}`, signal), REFRESH_MS, on);
  }

  start() {
    this.#aboutPoller.start();
    this.#count();
  }

  stop() {
    this.#aboutPoller.stop();
    this.#poller?.stop();
  }

  #named(app) {
    this.title = app.name;
    this.#context.shell.title(app.name);
    write(this.#heading, app.name);
  }

  #count() {
    const { client, shell } = this.#context;
    this.#poller?.stop();
    const all = async (signal) => {
      const query = `appId=${this.#id}&${since(this.#range.days, client.now())}`;
      const found = await Promise.all(Object.entries(ROUTES).map(async ([name, path]) =>
        [name, await client.get(`/analytics/v1/${path}?${query}`, signal)]));
      return Object.fromEntries(found);
    };
    this.#poller = new Poller(all, REFRESH_MS, { answer: (found) => this.#paint(found), refusal: () => {}, shell });
    this.#poller.start();
  }

  #ranges() {
    const choices = RANGES.map((days) => {
      const choice = h("input", { type: "radio", name: "range", value: days, checked: days === this.#range.days });
      choice.addEventListener("change", () => {
        this.#range.days = days;
        this.#count();
      });
      return h("label", {}, choice, h("span", {}, `${days} days`));
    });
    return h("fieldset", { class: "either" }, h("legend", { class: "unheard" }, "How far back"), ...choices);
  }

  #paint({ days, durations, people, issues, media, relayed, setup, sessions }) {
    this.#loading.hidden = true;
    this.#body.hidden = false;
    const total = (key) => days.data.reduce((sum, each) => sum + each[key], 0);
    const { cells } = this.#figures;
    write(cells.conferences, count(total("total")));
    write(cells.good, count(total("success")));
    write(cells.errors, count(total("error")));
    set(cells.errors, "data-loss", total("error") > 0 ? "bad" : null);
    const [direct, viaRelay] = relayed.data;
    write(cells.relayed, share(viaRelay.count, direct.count + viaRelay.count));
    const measured = setup.data.reduce((sum, each) => sum + each.count, 0);
    const fast = setup.data.filter((each) => each.max_ms !== null && each.max_ms <= SECOND_MS).reduce((sum, each) => sum + each.count, 0);
    write(cells.fast, share(fast, measured));
    const byDay = new Map(days.data.map((each) => [each.date, each]));
    this.#days.paint(lastDays(this.#range.days + 1, this.#context.client.now())
      .map((day) => ({ label: shortDay(day), values: byDay.get(day) ?? {} })));
    this.#durations.paint(durations.data.map((each) => ({ label: each.range, values: { count: each.count } })));
    this.#people.paint(people.data.map((each) => ({ label: String(each.participants), values: { count: each.conferences } })));
    this.#setup.paint(setup.data.map((each) => ({ label: each.range, values: { count: each.count } })));
    const lists = this.#lists;
    lists.issues.paint(issues.data.map((each) => ({
      name: each.title, count: each.count, href: `#/calls/apps/${this.#id}/conferences/${each.code}`,
    })));
    lists.media.paint(media.data.map((each) => ({ name: each.message === "" ? each.name : `${each.name}: ${each.message}`, count: each.count })));
    lists.relayed.paint(relayed.data);
    lists.browsers.paint(sessions.browsers);
    lists.systems.paint(sessions.os);
    lists.countries.paint(sessions.countries.map((each) => ({ name: country(each.code), count: each.count })));
    lists.cities.paint(sessions.cities.map((each) => ({ name: each.city, count: each.count })));
  }
}

function share(part, all) {
  return all === 0 ? "–" : `${Math.round((100 * part) / all)} %`;
}

function country(code) {
  try {
    return countries.of(code);
  } catch {
    return code;
  }
}
