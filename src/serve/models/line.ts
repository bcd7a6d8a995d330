import { FairQueue, type Keyed } from "../../engine/schedule/fair-queue.ts";
import { Pace } from "../../engine/schedule/pace.ts";
import { type Refusal, Refused } from "../../engine/schedule/refused.ts";
import { LONGEST_TIMER } from "../../util/timers.ts";
import type { HeldModel, ModelRequest } from "./held.ts";

/** A waiting request's owner and deadline. */
export interface Asker {
  readonly key?: string | undefined;
  /** Aborted when the request should stop waiting. */
  readonly signal?: AbortSignal | undefined;
  /** A time, as in `performance.now()`. */
  readonly deadline?: number | undefined;
}

class Waiter implements Keyed {
  readonly came = performance.now();
  give!: (model: HeldModel) => void;
  refuse!: (why: unknown) => void;
  readonly lease = new Promise<HeldModel>((resolve, reject) => {
    [this.give, this.refuse] = [resolve, reject];
  });

  constructor(
    readonly key: string,
    readonly wanted: ModelRequest,
  ) {}
}

/** Queues requests that wait for memory. Keys take turns; requests of one key keep their order. */
export class Line {
  readonly #waiting = new FairQueue<Waiter>();
  /** Estimates how long requests wait. */
  readonly #pace = new Pace();

  constructor(
    /** Maximum waiting requests; one more is refused. */
    private readonly most: number,
    /** Called when a request gives up, since there may be room for the next one. */
    private readonly onLeft: () => void,
  ) {}

  /** The model that the first request waits for. */
  get first(): ModelRequest | undefined {
    return this.#waiting.next(() => 0)?.wanted;
  }

  all(): ModelRequest[] {
    return [...this.#waiting].map(({ wanted }) => wanted);
  }

  /** Resolves when the model is available. @throws Refused, or the signal's reason */
  async wait(request: ModelRequest, { key = "", signal, deadline }: Asker): Promise<HeldModel> {
    signal?.throwIfAborted();
    const waiter = new Waiter(key, request);
    const leave = () => this.#end(waiter, signal?.reason);
    signal?.addEventListener("abort", leave);
    const timer = deadline && setTimeout(() => this.#end(waiter, this.refused("deadline")), msUntil(deadline));
    const tooMany = this.#waiting.add(waiter, this.most);
    if (tooMany) this.#end(tooMany, this.refused("full"));
    return waiter.lease.finally(() => {
      signal?.removeEventListener("abort", leave);
      clearTimeout(timer);
    });
  }

  /** Serves all requests for a model together, so that it is loaded only once. */
  serve(name: string, take: (request: ModelRequest) => HeldModel): void {
    for (const waiter of [...this.#waiting].filter(({ wanted }) => wanted.name === name)) {
      this.#waiting.serve(waiter);
      this.#pace.note(performance.now() - waiter.came);
      waiter.give(take(waiter.wanted));
    }
  }

  /** Refuses all waiting requests. */
  close(): void {
    const all = [...this.#waiting];
    for (const waiter of all) this.#waiting.remove(waiter);
    for (const waiter of all) waiter.refuse(this.refused("closing"));
  }

  /** A refusal with the estimated seconds until the waiting requests will have been served. */
  refused(reason: Refusal): Refused {
    const now = performance.now();
    const waits = [...this.#waiting].map(({ came }) => now - came);
    return new Refused(reason, this.#pace.secondsFor(1, Math.max(1, waits.length), waits));
  }

  #end(waiter: Waiter, why: unknown): void {
    this.#waiting.remove(waiter);
    waiter.refuse(why);
    this.onLeft();
  }
}

const msUntil = (time: number): number => Math.min(LONGEST_TIMER, time - performance.now());
