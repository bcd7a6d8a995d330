import { checkSavings } from "../../engine/check-savings.ts";
import { describeModel } from "../../engine/describe.ts";
import type { KeyValues, Turns } from "../../engine/fair-queue.ts";
import { openModel } from "../../engine/open-model.ts";
import type { SchedulerOptions } from "../../engine/scheduler.ts";
import { Model } from "../../index.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { Quant } from "../../weights/prepared/quant.ts";
import { HttpError } from "../http/errors.ts";
import type { Chosen, Served } from "./served.ts";

/** Milliseconds that a timer of Node's can wait, 24 days; what stays for longer stays for good. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A model in memory, and what gives its requests their turns. */
interface Loaded {
  readonly model: Model;
  readonly turns: Turns | undefined;
}

interface Held {
  readonly served: Served;
  readonly recipe: Recipe;
  readonly quant: Quant;
  /** Of its weights. */
  readonly bytes: number;
  /** Whether nobody but requests with savings of their own has asked for it. */
  own: boolean;
  readonly loading: Promise<Loaded>;
  /** Once it is. */
  loaded: Loaded | undefined;
  users: number;
  /** When it was last asked for, on a clock of uses. */
  used: number;
  /** Milliseconds that it stays once nobody uses it, as it was last asked for. */
  keepAlive: number;
  /** Unloads it, once nobody uses it. */
  unload?: NodeJS.Timeout;
}

/** How many answers of a model have their turn, and how many wait for it. */
interface AtWork {
  readonly running: number;
  readonly waiting: number;
}

interface PoolEntry extends AtWork {
  readonly id: string;
  readonly recipe: string[];
  readonly quant: Quant;
  /** Requests. */
  readonly users: number;
  readonly keyValues: KeyValues | undefined;
}

/** A model to use until it is disposed of. */
export interface Lease extends Disposable {
  readonly model: Model;
}

/** Models in memory, each under a recipe, loaded when first asked for. Those used least recently make room, counted by the size of their files and their keys and values. */
export class Pool implements Disposable {
  readonly #held = new Map<string, Held>();
  #clock = 0;

  constructor(
    /** Bytes. */
    readonly budget: number,
    private readonly scheduling: SchedulerOptions,
    /** Milliseconds that a model stays which nobody uses; without end where it is not said. */
    private readonly keepAlive = Number.POSITIVE_INFINITY,
    /** Most of one model under savings that requests name themselves. */
    private readonly copies = Number.POSITIVE_INFINITY,
  ) {}

  /** @throws HttpError when there is no room, or the model cannot be loaded */
  async lease(chosen: Chosen): Promise<Lease> {
    const key = keyOf(chosen);
    // Nothing makes room for what cannot be loaded.
    if (!this.#held.has(key)) await checkSavings(chosen.served.source, chosen.recipe);
    const held = this.#held.get(key) ?? this.#load(key, chosen);
    held.users++;
    held.own &&= chosen.own;
    held.keepAlive = chosen.keepAlive ?? this.keepAlive;
    clearTimeout(held.unload);
    held.used = ++this.#clock;
    try {
      held.loaded = await held.loading;
      return this.#leased(key, held, held.loaded.model);
    } catch (error) {
      if (this.#held.get(key) === held) this.#held.delete(key);
      throw error;
    }
  }

  /** What is in memory: models, recipes, how many requests use each, how many answers have their turn and wait for it, and keys and values. */
  list(): PoolEntry[] {
    return [...this.#held.values()].map(({ served, recipe, quant, users, loaded }) => ({
      id: served.id,
      recipe: recipe.map(({ text }) => text),
      ...{ quant, users },
      ...atWork(loaded, users),
      keyValues: loaded?.turns?.keyValues,
    }));
  }

  /** Begins no more answers; those under way may go on for `limit` milliseconds, then end as they are. */
  async close(limit: number): Promise<void> {
    await Promise.all([...this.#held.values()].map(({ loaded }) => loaded?.turns?.close(limit)));
  }

  #load(key: string, chosen: Chosen): Held {
    if (chosen.own) this.#boundCopies(chosen.served);
    const bytes = bytesOf(chosen);
    this.#makeRoom(chosen.served.id, bytes);
    const loading = load(chosen, this.scheduling);
    const state = { loaded: undefined, users: 0, used: 0, keepAlive: this.keepAlive };
    const held: Held = { ...chosen, ...state, bytes, loading };
    this.#held.set(key, held);
    return held;
  }

  /** Those that nobody uses, the one used least recently first. */
  #idle(): [string, Held][] {
    return [...this.#held].filter(([, { users }]) => users === 0).sort(([, a], [, b]) => a.used - b.used);
  }

  /** Each is as large as the model: whoever may ask could fill the memory with them. @throws HttpError when all are in use */
  #boundCopies({ id }: Served): void {
    const copies = ({ own, served }: Held) => own && served.id === id;
    if ([...this.#held.values()].filter(copies).length < this.copies) return;
    const next = this.#idle().find(([, held]) => copies(held));
    if (!next) throw noMemory(`${id} is in use under ${this.copies} other savings; try again later`);
    this.#drop(...next);
  }

  /** What is kept of ended answers goes first, as it is made anew in less time than a model is loaded. @throws HttpError when what is in use leaves too little */
  #makeRoom(id: string, bytes: number): void {
    const full = () => this.#bytes() + bytes > this.budget;
    if (full()) for (const { loaded } of this.#held.values()) loaded?.turns?.letGo?.();
    const idle = this.#idle();
    while (full()) {
      const next = idle.shift();
      if (!next) throw noRoom(id);
      this.#drop(...next);
    }
  }

  #bytes(): number {
    return [...this.#held.values()].reduce((sum, { bytes, loaded }) => sum + bytes + keptBytes(loaded), 0);
  }

  #leased(key: string, held: Held, model: Model): Lease {
    let returned = false;
    const giveBack = () => {
      if (!returned && --held.users === 0 && held.keepAlive <= LONGEST_TIMER)
        held.unload = setTimeout(() => this.#drop(key, held), held.keepAlive).unref();
      returned = true;
    };
    return { model, [Symbol.dispose]: giveBack };
  }

  #drop(key: string, { loading, unload }: Held): void {
    clearTimeout(unload);
    this.#held.delete(key);
    void loading.then(({ model }) => model.dispose());
  }

  [Symbol.dispose](): void {
    for (const entry of this.#held) this.#drop(...entry);
  }
}

/** Where there are no turns to wait for, requests are at work once the model is there. */
function atWork(loaded: Loaded | undefined, users: number): AtWork {
  if (!loaded) return { running: 0, waiting: users };
  const { running, waiting } = loaded.turns ?? { running: users, waiting: 0 };
  return { running, waiting };
}

const keptBytes = (loaded: Loaded | undefined): number => loaded?.turns?.keyValues?.bytes ?? 0;

/** By options as they were read: however they are written, they are one copy. */
const keyOf = ({ served, recipe, quant }: Chosen): string =>
  JSON.stringify([served.id, quant, ...recipe.map(({ saving, options }) => [saving.name, options])]);

/** In the usual form about what its files have. */
const bytesOf = ({ served: { source }, quant }: Pick<Chosen, "served" | "quant">): number =>
  quant === "auto" ? source.bytes : describeModel(source, quant).bytes.memory;

const noRoom = (id: string): HttpError =>
  noMemory(`there is no memory for ${id} while others are in use; try again later`);

function noMemory(message: string): HttpError {
  return new HttpError(503, message, { code: "no_memory", headers: { "retry-after": "5" } });
}

async function load({ served, recipe, quant }: Chosen, scheduling: SchedulerOptions): Promise<Loaded> {
  const started = performance.now();
  const opened = await openModel(served.source, recipe, quant);
  const model = new Model(opened, recipe, performance.now() - started);
  return { model, turns: model.schedule(scheduling) };
}

/** @throws UserError when a model can never be loaded within the budget */
export function checkBudget(budget: number, served: readonly Served[]): void {
  const sizes = served.map((it) => ({ id: it.id, bytes: bytesOf({ served: it, quant: it.quant }) }));
  const large = sizes.find(({ bytes }) => bytes > budget);
  if (!large) return;
  const [needs, has] = [large.bytes, budget].map((bytes) => `${(bytes / 1e9).toFixed(2)} GB`);
  throw new UserError(`${large.id} has ${needs} of weights, and the memory for models is ${has}; raise --memory`, 2);
}
