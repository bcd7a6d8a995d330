import { load, type Model } from "../src/index.ts";
import type { Quant } from "../src/weights/prepared/weights.ts";
import type { Side } from "./harness.ts";

/** A model in this process, loaded when the first of its sides starts and freed when one stops. */
export class OwnModel {
  #loaded: Promise<Model> | undefined;

  constructor(
    private readonly model: string,
    private readonly save: readonly string[] = [],
    private readonly quant: Quant = "auto",
  ) {}

  load(): Promise<Model> {
    this.#loaded ??= load(this.model, { save: this.save, quant: this.quant });
    return this.#loaded;
  }

  async free(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    (await loaded)?.dispose();
  }
}

/** A side with our engine in this process, to compare it with itself. `measure` returns the bench's unit. */
export const ownSide = (name: string, model: OwnModel, measure: (model: Model) => Promise<number>): Side => ({
  name,
  async start() {
    await model.load();
  },
  run: async () => measure(await model.load()),
  stop: () => model.free(),
});
