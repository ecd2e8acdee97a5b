// Domains of licences by their ids: rooms know the id only.

import { Away, Refused, Unwelcome } from "./client.js";

const PAUSE_MS = 10_000; // before an unknown one is asked for again

export class LicenceNames {
  #client;
  #domains = new Map();
  #askedAt = -Infinity;

  constructor(client) {
    this.#client = client;
  }

  /** The domain, or the id as long as the domain is not known. */
  of(id) {
    return this.#domains.get(id) ?? `#${id}`;
  }

  /** Whoever is not known is looked up. */
  async learn(ids) {
    if (ids.every((id) => this.#domains.has(id)) || performance.now() - this.#askedAt < PAUSE_MS) return;
    this.#askedAt = performance.now();
    try {
      const { licences } = await this.#client.get("/v1/live/licences");
      this.#domains = new Map(licences.map(({ id, domain }) => [id, domain]));
    } catch (error) {
      // The view goes on without; what is wrong is the poller's to notice.
      if (![Away, Refused, Unwelcome].some((kind) => error instanceof kind)) throw error;
    }
  }
}
