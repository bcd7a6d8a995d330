import { UserError } from "../../util/errors.ts";
import { HttpError } from "../http/errors.ts";
import { bytesOf, type HeldModel, type ModelRequest, sizeOf } from "./held.ts";
import type { ServedModel } from "./served.ts";

/** Tracks models in memory by the size of their weights, keys and values; chooses the models to unload for another. */
export class Memory {
  readonly #held = new Map<string, HeldModel>();

  constructor(
    /** Bytes. */
    private readonly budget: number,
  ) {}

  get(name: string): HeldModel | undefined {
    return this.#held.get(name);
  }

  all(): HeldModel[] {
    return [...this.#held.values()];
  }

  /** @throws HttpError if the model does not fit even alone */
  check({ bytes, served: { id } }: ModelRequest): void {
    if (bytes <= this.budget) return;
    const message = `there is no memory for ${id}: in this form it ${takes(bytes, this.budget)}`;
    throw new HttpError(503, message, { code: "no_memory" });
  }

  /** True if the model is in memory, or no request uses the models that would be unloaded for it. */
  hasRoom(request: ModelRequest): boolean {
    return this.leavingFor(request).every(({ users }) => users === 0);
  }

  /** The models to unload for another model: first unused models, then the least recently used. */
  leavingFor(request: ModelRequest): HeldModel[] {
    if (this.#held.has(request.name)) return [];
    const order = this.all().sort((a, b) => Number(a.users > 0) - Number(b.users > 0) || a.used - b.used);
    const leaving: HeldModel[] = [];
    let beyond = this.#beyond(request.bytes);
    for (const model of order) {
      if (beyond <= 0) break;
      leaving.push(model);
      beyond -= sizeOf(model);
    }
    return leaving;
  }

  /**
   * The number of bytes by which `bytes` more would exceed the budget. If it is positive, first frees the cached state of
   * ended answers: recomputing it takes less time than loading a model.
   */
  #beyond(bytes: number): number {
    const beyond = () => bytesIn(this.all()) + bytes - this.budget;
    if (beyond() > 0) for (const { loaded } of this.all()) loaded?.turns?.letGo?.();
    return beyond();
  }

  /** Unloads unused models to make room for a request. */
  makeRoom(request: ModelRequest): void {
    for (const model of this.leavingFor(request)) this.drop(model);
  }

  add(model: HeldModel): void {
    this.#held.set(model.name, model);
  }

  /** Makes the next request load the model again, and frees this copy once nobody uses it. */
  retire(model: HeldModel): void {
    if (model.users === 0) this.drop(model);
    else this.forget(model);
  }

  /** Frees a model once it is loaded and any audit that runs in it has ended. */
  drop(held: HeldModel): void {
    clearTimeout(held.unload);
    this.forget(held);
    void held.loading.then(
      async ({ model, turns }) => {
        await turns?.close(0);
        model.dispose();
      },
      () => {},
    );
  }

  /** Removes this copy of a model, unless another has already replaced it. */
  forget({ name, loading }: HeldModel): void {
    if (this.#held.get(name)?.loading === loading) this.#held.delete(name);
  }
}

const bytesIn = (all: readonly HeldModel[]): number => all.reduce((sum, model) => sum + sizeOf(model), 0);

/** @throws UserError if a model can never be loaded within the budget */
export async function checkBudget(budget: number, served: readonly ServedModel[]): Promise<void> {
  const sizes = await Promise.all(
    served.map(async (it) => ({ id: it.id, bytes: await bytesOf({ served: it, quant: it.quant }) })),
  );
  const large = sizes.find(({ bytes }) => bytes > budget);
  if (large) throw new UserError(`${large.id} ${takes(large.bytes, budget)}; raise --memory`, 2);
}

function takes(bytes: number, budget: number): string {
  const [needs, has] = [bytes, budget].map((of) => `${(of / 1e9).toFixed(2)} GB`);
  return `has ${needs} of weights, and the memory for models is ${has}`;
}
