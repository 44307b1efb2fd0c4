/** This module orders what several clients ask of one engine. */

/**
 * A `FairQueue` gives its clients turns, one job each. The jobs of one client stay in their order.
 *
 * @template Client, Job
 */
export class FairQueue {
  /** A `Map` keeps the order of the turns. @type {Map<Client, Job[]>} */
  #lines = new Map();
  /** This client had the last turn. @type {Client | undefined} */
  #last;

  get is_empty() {
    return this.#lines.size === 0;
  }

  /**
   * @param {Client} client
   * @param {Job} job
   */
  push(client, job) {
    const line = this.#lines.get(client);
    if (line) line.push(job);
    else this.#lines.set(client, [job]);
  }

  /** Takes the next job. @returns {Job | undefined} */
  shift() {
    const clients = [...this.#lines.keys()];
    const client = clients.find((client) => client !== this.#last) ?? clients[0];
    const line = this.#lines.get(client) ?? [];
    const job = line.shift();
    this.#last = client;
    this.#lines.delete(client);
    if (line.length > 0) this.#lines.set(client, line);
    return job;
  }

  /**
   * Takes out the jobs of a client that `matches` holds for.
   *
   * @param {Client} client
   * @param {(job: Job) => boolean} matches
   */
  remove(client, matches) {
    const left = (this.#lines.get(client) ?? []).filter((job) => !matches(job));
    // A line that is replaced keeps its place.
    if (left.length > 0) this.#lines.set(client, left);
    else this.#lines.delete(client);
  }

  /** Takes out all jobs. @returns {Job[]} */
  clear() {
    const all = [...this.#lines.values()].flat();
    this.#lines.clear();
    return all;
  }
}
