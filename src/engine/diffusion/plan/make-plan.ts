import { addSpent, type Spent } from "../../../graph/index.ts";
import { denoise } from "../denoise.ts";
import type { DiffusionModel } from "../diffusion-model.ts";
import type { DiffusionOptions } from "../options.ts";

/** The options of a plan. */
export interface PlanTerms {
  /** The number of tokens in the plan. */
  readonly tokens: number;
  readonly diffusion: DiffusionOptions;
  readonly temperature: number;
  readonly seed?: number | undefined;
  /** True to return the last layer's states, which takes one more pass. */
  readonly states: boolean;
}

/** A plan, and its cost. */
export interface PlanResult {
  readonly ids: readonly number[];
  /** The plan without its end tokens; empty if it consists only of end tokens. */
  readonly text: string;
  /** The last layer's normalised states at the plan's positions, [tokens, hidden]. */
  readonly states?: Float32Array;
  /** The number of the planner's forward passes. */
  readonly passes: number;
  readonly spent: Spent;
}

/**
 * Makes a plan by filling in masks after a prompt (Berrayana et al. 2025, arXiv 2510.15244). The states come from one
 * more pass over the whole sequence.
 * @throws UserError if the prompt is too long, or the schedule does not divide the plan
 */
export async function makePlan(
  model: DiffusionModel,
  prompt: readonly number[],
  terms: PlanTerms,
  signal?: AbortSignal,
): Promise<PlanResult> {
  const { tokens, diffusion } = terms;
  const schedule = model.schedule(prompt, tokens, diffusion);
  using run = model.run(prompt.length + tokens, tokens);
  let ids: Int32Array = new Int32Array();
  for await (const { answer } of denoise(run, model.task(prompt, terms), schedule, diffusion)) {
    signal?.throwIfAborted();
    ids = answer;
  }
  const places = Array.from({ length: tokens }, (_, i) => prompt.length + i);
  const states = terms.states ? (await run.states(Int32Array.from([...prompt, ...ids]), places)).slice() : undefined;
  const spent: Spent = { flops: 0, bytes: 0 };
  addSpent(spent, run.spent);
  return {
    ids: [...ids],
    text: model.tokenizer.decode([...ids].filter((id) => !model.tokenizer.stopIds.has(id))),
    ...(states && { states }),
    ...{ passes: run.passes, spent },
  };
}
