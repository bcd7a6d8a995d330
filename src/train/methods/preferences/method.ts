import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import type { Batch } from "../../data/batch.ts";
import type { ActiveMethod, Method, MethodHost } from "../method.ts";
import type { Comparisons } from "./comparisons.ts";
import { judgedData, pairData } from "./data.ts";
import { comparing } from "./head.ts";
import type { PreferenceRule } from "./losses.ts";

/** The option for the strength of the preference term, under TRL's name. */
export const beta = (fallback: number) => z.coerce.number().positive().default(fallback);

interface PreferenceMethod<O> {
  readonly name: string;
  readonly summary: string;
  readonly options: z.ZodType<O>;
  readonly rule: (options: O) => PreferenceRule;
  /** True if the loss compares the model with the model at the start of the run. */
  readonly reference: boolean;
  /** The row format: pairs of completions, or single completions with a label; default: pairs. */
  readonly rows?: "pairs" | "judged";
  /** True to add the language model's loss on chosen samples. */
  readonly languageModel?: boolean;
}

/** Makes a method that learns from judgements on whole completions. */
export const preferenceMethod = <O>(own: PreferenceMethod<O>): Method<O> => ({
  ...{ name: own.name, summary: own.summary, options: own.options },
  presets: () => ({ lora: { rank: 8 }, optimizer: { lr: 1e-4, weightDecay: 0 } }),
  openData: (_, host, files) =>
    own.rows === "judged" ? judgedData(host, files) : pairData(own.languageModel ? "all" : "answers", host, files),
  objective: (options, objective) =>
    comparing(objective, { rule: own.rule(options), languageModel: own.languageModel ?? false }),
  open: (_, host) => new ActivePreferences(host, own.reference),
});

/** Records the reference's log-probabilities before a run's first step; a resumed run restores them. */
class ActivePreferences implements ActiveMethod {
  readonly #comparisons: Comparisons;
  #checked: boolean;

  constructor(
    private readonly host: MethodHost,
    private readonly reference: boolean,
  ) {
    this.#comparisons = host.data.comparisons!;
    this.#checked = !reference;
  }

  get states(): NonNullable<ActiveMethod["states"]> {
    return this.reference ? { reference: this.#comparisons.reference } : {};
  }

  async beforeStep(step: number, evaluate: (batch: Batch) => Promise<unknown>): Promise<void> {
    this.#comparisons.clear();
    if (this.#checked) return;
    for (const { compared, ...batch } of this.#batches()) {
      if (!compared || this.#comparisons.knows(compared)) continue;
      if (step > 0)
        throw new UserError("the run now has samples that were not scored before its first step; start a new run");
      await evaluate({ ...batch, compared: { ...compared, records: true } });
    }
    this.#checked = true;
  }

  get metrics(): Readonly<Record<string, number>> {
    return this.#comparisons.metrics;
  }

  /** All batches that the run reads, each once. */
  *#batches(): Generator<Batch> {
    const { data, steps, options } = this.host;
    const { training, heldOut } = data;
    for (let i = 0; i < Math.min(training.batches, steps * options.accumulate); i++) yield training.batch(i);
    for (let i = 0; heldOut && i < Math.min(heldOut.batches, options.evaluateBatches); i++) yield heldOut.batch(i);
  }
}
