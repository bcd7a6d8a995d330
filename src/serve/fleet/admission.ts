import { FairQueue, type Keyed } from "../../engine/schedule/fair-queue.ts";
import { Pace } from "../../engine/schedule/pace.ts";
import { Refused } from "../../engine/schedule/refused.ts";
import type { Backend } from "./backend.ts";
import type { RemoteOptions } from "./file.ts";

/** A request that needs a place at a server it has not tried. */
export interface Applicant extends Keyed {
  readonly tried: ReadonlyMap<Backend, unknown>;
  readonly signal: AbortSignal;
}

/** A request's place at a server, held until it is disposed of. */
export interface Place extends Disposable {
  readonly backend: Backend;
}

interface Waiting extends Applicant {
  resolve(place: Place | undefined): void;
  reject(reason: unknown): void;
}

/** Assigns requests to places at a model's servers, a fixed number at each. Other requests wait; keys take turns. */
export class Admission {
  readonly #queue = new FairQueue<Waiting>();
  /** Requests that a server failed to answer; they come first, since they have already waited. */
  readonly #again = new Set<Waiting>();
  /** The number of running requests of each key. */
  readonly #running = new Map<string, number>();
  readonly #pace = new Pace();
  #clock = 0;

  constructor(
    private readonly servers: readonly Backend[],
    private readonly options: Pick<RemoteOptions, "rows" | "queue">,
  ) {}

  get waiting(): number {
    return this.#queue.size + this.#again.size;
  }

  /**
   * A place at the least busy server, as soon as there is one; undefined if every server is down or has been tried.
   * @throws Refused if too many requests wait, or the signal's reason
   */
  place(applicant: Applicant): Promise<Place | undefined> {
    applicant.signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const one = { ...applicant, resolve, reject };
      applicant.signal.addEventListener("abort", () => this.#leave(one), { once: true });
      this.#enter(one);
    });
  }

  /** Admits waiting requests that now have a place; call it when a server's state may have changed. */
  admit(): void {
    for (const one of this.#again) if (this.#offer(one)) this.#again.delete(one);
    for (let one = this.#next(); one && this.#offer(one); one = this.#next()) this.#queue.serve(one);
  }

  #enter(one: Waiting): void {
    if ((one.tried.size > 0 || this.#queue.size === 0) && this.#offer(one)) return;
    if (one.tried.size > 0) this.#again.add(one);
    else this.#queue.add(one, this.options.queue)?.reject(this.#full());
  }

  #leave(one: Waiting): void {
    this.#again.delete(one);
    this.#queue.remove(one);
    one.reject(one.signal.reason);
  }

  #next(): Waiting | undefined {
    return this.#queue.next((key) => this.#running.get(key) ?? 0);
  }

  /** Returns true if the request need no longer wait. If only servers in doubt remain, it waits for the next check. */
  #offer({ tried, key, resolve }: Waiting): boolean {
    const able = this.servers.filter((server) => !server.down && !tried.has(server));
    const [best] = able
      .filter((server) => server.up && server.running < this.options.rows)
      .sort((a, b) => a.running - b.running || a.chosen - b.chosen);
    if (best || able.length === 0) resolve(best && this.#at(best, key));
    return best !== undefined || able.length === 0;
  }

  #at(backend: Backend, key: string): Place {
    const began = performance.now();
    backend.chosen = ++this.#clock;
    this.#count(backend, key, 1);
    const leave = () => {
      this.#count(backend, key, -1);
      this.#pace.note(performance.now() - began);
      this.admit();
    };
    return { backend, [Symbol.dispose]: leave };
  }

  #count(backend: Backend, key: string, more: 1 | -1): void {
    backend.running += more;
    const running = (this.#running.get(key) ?? 0) + more;
    if (running > 0) this.#running.set(key, running);
    else this.#running.delete(key);
  }

  #full(): Refused {
    const places = this.options.rows * this.servers.filter(({ up }) => up).length;
    return new Refused("full", this.#pace.secondsFor(this.#queue.size + 1, Math.max(1, places)));
  }
}
