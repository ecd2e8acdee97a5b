// The part of the address behind #: which view is shown, and how far it was scrolled when one comes back to it.

export class Router {
  #routes; // [pattern, make(...parameters)]; a pattern is "rooms" or "rooms/:id"
  #show; // (make, parameters, path) →
  #scrolled = new Map(); // number of the history's entry → scrollY
  #entry = 0;
  #last = 0;

  constructor(routes, show) {
    this.#routes = routes.map(([pattern, make]) => [pattern.split("/"), make]);
    this.#show = show;
  }

  start() {
    history.scrollRestoration = "manual"; // what is scrolled to is not there yet when browsers do it
    addEventListener("scroll", () => this.#scrolled.set(this.#entry, scrollY), { passive: true });
    addEventListener("hashchange", () => this.go());
  }

  /** Shows what the address says; what it does not know leads to the first route. */
  go() {
    const path = location.hash.replace(/^#\/?/, "");
    const words = path.split("/").map(unescaped);
    const found = this.#routes.find(([pattern]) => fits(pattern, words));
    if (found === undefined) {
      location.replace(`#/${this.#routes[0][0].join("/")}`);
      return;
    }
    const known = history.state?.entry; // an entry that was visited before: one has gone back to it
    this.#entry = known ?? ++this.#last;
    this.#last = Math.max(this.#last, this.#entry);
    if (known === undefined) history.replaceState({ entry: this.#entry }, "");
    const top = known === undefined ? 0 : this.#scrolled.get(known) ?? 0;
    const [pattern, make] = found;
    this.#show(make, words.filter((_, at) => pattern[at].startsWith(":")), path);
    scrollTo(0, top);
  }
}

function fits(pattern, words) {
  const same = (each, at) => (each.startsWith(":") ? words[at] !== "" : words[at] === each);
  return pattern.length === words.length && pattern.every(same);
}

function unescaped(word) {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}
