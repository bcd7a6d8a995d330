import { checkSavings } from "../../engine/file/check-savings.ts";
import type { Model } from "../../index.ts";
import type { Auditor } from "../../library/auditor.ts";
import { LONGEST_TIMER } from "../../util/timers.ts";
import {
  type AtWork,
  bytesOf,
  entryOf,
  type HeldModel,
  type Holding,
  load,
  type ModelRequest,
  nameOf,
  type PoolEntry,
} from "./held.ts";
import { type Asker, Line } from "./line.ts";
import { Memory } from "./memory.ts";
import type { ModelChoice } from "./served.ts";

/** A model in use until it is disposed of. */
export interface Lease extends Disposable {
  readonly model: Model;
}

/**
 * Models in memory, each shared by all its recipes and loaded on first use. The least recently used models are unloaded
 * for others; while they are in use, requests for other models wait.
 */
export class Pool implements Disposable {
  readonly #memory: Memory;
  readonly #line: Line;
  #clock = 0;
  #closing = false;

  constructor(
    /** Bytes. */
    budget: number,
    private readonly holding: Holding,
    /** Milliseconds that an unused model stays loaded; unlimited by default. */
    private readonly keepAlive = Number.POSITIVE_INFINITY,
  ) {
    this.#memory = new Memory(budget);
    this.#line = new Line(holding.scheduling.queue, () => this.#letIn());
  }

  /** @throws HttpError if the model never fits; ModelFault if it cannot load; Refused if the request waits in vain */
  async lease(choice: ModelChoice, asker: Asker = {}): Promise<Lease> {
    const request = await this.#wanted(choice);
    if (this.#closing) throw this.#line.refused("closing");
    const model = this.#mayHave(request) ? this.#take(request) : await this.#line.wait(request, asker);
    try {
      model.loaded = await model.loading;
      return this.#leased(model, model.loaded.model);
    } catch (error) {
      this.#memory.forget(model);
      this.#letIn();
      throw error;
    }
  }

  /** Audits answers under certificates; undefined if answers are not audited. */
  get auditor(): Auditor | undefined {
    return this.holding.auditor;
  }

  /** A model that is in memory now; it may be unloaded later. */
  inMemory(choice: ModelChoice): Model | undefined {
    return this.#memory.get(nameOf(choice))?.loaded?.model;
  }

  /** The models in memory: the requests that use each, running and waiting answers, and keys and values. */
  list(): PoolEntry[] {
    return this.#memory.all().map(entryOf);
  }

  /** The requests that wait for room in memory. */
  waiting(): AtWork[] {
    return this.#line.all().map(({ served: { id } }) => ({ id, running: 0, waiting: 1 }));
  }

  /** Refuses new and waiting requests; running answers end after `limit` milliseconds. */
  async close(limit: number): Promise<void> {
    this.#closing = true;
    setTimeout(() => {
      this.#line.close();
      void this.#closeTurns(0);
    }, limit).unref();
    await this.#closeTurns(limit);
  }

  async #closeTurns(limit: number): Promise<void> {
    await Promise.all(this.#memory.all().map(({ loaded }) => loaded?.turns?.close(limit)));
    await this.holding.prefixes?.written;
  }

  /** Checks that the model can run at all, so that it does not delay or evict others in vain. */
  async #wanted({ recipe, ...chosen }: ModelChoice): Promise<ModelRequest> {
    const name = nameOf(chosen);
    const model = this.#memory.get(name);
    // A model in memory checks each call's recipe itself.
    if (!model) await checkSavings(chosen.served.source, recipe);
    const wanted = { ...chosen, name, bytes: model?.bytes ?? (await bytesOf(chosen)) };
    this.#memory.check(wanted);
    return wanted;
  }

  /** A request overtakes the first in line only if its own model needs no room. */
  #mayHave(request: ModelRequest): boolean {
    const { first } = this.#line;
    if (!first) return this.#memory.hasRoom(request);
    const model = this.#memory.get(request.name);
    return model !== undefined && !this.#memory.leavingFor(first).includes(model);
  }

  #letIn(): void {
    for (let { first } = this.#line; first && this.#memory.hasRoom(first); first = this.#line.first)
      this.#line.serve(first.name, (request) => this.#take(request));
  }

  #take(request: ModelRequest): HeldModel {
    const model = this.#memory.get(request.name) ?? this.#load(request);
    model.users++;
    model.keepAlive = request.keepAlive ?? this.keepAlive;
    clearTimeout(model.unload);
    model.used = ++this.#clock;
    return model;
  }

  #load(request: ModelRequest): HeldModel {
    const state = { loaded: undefined, users: 0, used: 0, keepAlive: this.keepAlive };
    this.#memory.makeRoom(request);
    const model: HeldModel = { ...request, ...state, loading: load(request, this.holding) };
    this.#memory.add(model);
    return model;
  }

  #leased(held: HeldModel, model: Model): Lease {
    let returned = false;
    const giveBack = () => {
      if (returned) return;
      returned = true;
      held.users--;
      if (model.unsound) this.#memory.retire(held);
      else if (held.users === 0 && held.keepAlive <= LONGEST_TIMER)
        held.unload = setTimeout(() => this.#memory.drop(held), held.keepAlive).unref();
      this.#letIn();
    };
    return { model, [Symbol.dispose]: giveBack };
  }

  [Symbol.dispose](): void {
    for (const model of this.#memory.all()) this.#memory.drop(model);
  }
}
