// One thing that is asked for again and again while somebody looks: not while the tab is hidden, one request at a time, and
// more slowly while the server does not answer. What it learns of the server goes to the shell, so views need not say it.

import { Away, Refused, Unwelcome } from "./client.js";

const FORBIDDEN = 403;
const SLOWER_MS = [2000, 4000, 8000]; // after one failure, two, more

export class Poller {
  #ask; // (signal) → a promise of the answer
  #every;
  #on; // {answer(value), refusal(Refused), shell: {fresh(), away(reason, seconds), paused(), unwelcome(reason)}}
  #timer = 0;
  #ended = new AbortController();
  #failures = 0;
  #asking = false;

  constructor(ask, everyMs, on) {
    this.#ask = ask;
    this.#every = everyMs;
    this.#on = on;
  }

  start() {
    document.addEventListener("visibilitychange", () => this.#look(), { signal: this.#ended.signal });
    this.#look();
  }

  stop() {
    this.#ended.abort();
    clearTimeout(this.#timer);
  }

  /** At once, unless it is being asked for. */
  now() {
    clearTimeout(this.#timer);
    if (!this.#asking && !this.#ended.signal.aborted && !document.hidden) this.#round();
  }

  #look() {
    clearTimeout(this.#timer);
    if (document.hidden) this.#on.shell.paused();
    else this.now();
  }

  async #round() {
    const began = performance.now();
    const ended = this.#ended.signal;
    let pause = this.#every;
    this.#asking = true;
    try {
      const answer = await this.#ask(ended);
      if (ended.aborted) return;
      this.#failures = 0;
      this.#on.shell.fresh();
      this.#on.answer(answer);
    } catch (error) {
      if (ended.aborted) return;
      if (error instanceof Unwelcome) return this.#on.shell.unwelcome();
      if (error.status === FORBIDDEN) return this.#on.shell.unwelcome(error.message); // a licence that was disabled
      pause = this.#trouble(error);
    } finally {
      this.#asking = false;
    }
    if (ended.aborted) return;
    if (document.hidden) return this.#on.shell.paused(); // #look goes on when it is seen again
    this.#timer = setTimeout(() => this.#round(), Math.max(0, pause - (performance.now() - began)));
  }

  /** How long to wait. */
  #trouble(error) {
    if (error instanceof Refused && error.status !== 429) {
      this.#failures = 0;
      this.#on.shell.fresh();
      this.#on.refusal(error);
      return this.#every;
    }
    if (!(error instanceof Refused || error instanceof Away)) throw error;
    const slower = SLOWER_MS[Math.min(this.#failures, SLOWER_MS.length - 1)];
    const pause = Math.max(this.#every, slower, (error.retryAfterS ?? 0) * 1000);
    this.#failures += 1;
    this.#on.shell.away(error instanceof Refused ? "The server asks for fewer requests." : "The server does not answer.");
    return pause;
  }
}
