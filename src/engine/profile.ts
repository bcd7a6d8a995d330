import { requirePlainAttention } from "../savings/attention/plain.ts";
import { ThresholdProfiler } from "../savings/attention/xattention/profiler.ts";
import { mergeProfiles, type ThresholdProfile } from "../savings/attention/xattention/thresholds.ts";
import { planOf } from "../savings/plan.ts";
import { UserError } from "../util/errors.ts";
import type { LanguageModel } from "./language-model.ts";
import { Meter } from "./meter.ts";

export interface ProfileOptions {
  readonly stride: number;
  readonly blockSize: number;
  /** Share of the exact attention mass that the kept blocks are to hold. */
  readonly coverage: number;
}

/**
 * XAttention's threshold for each layer and head, from texts like those to come: the share of estimated mass that keeps `coverage`
 * of the exact mass, the greatest over the texts. Time and memory grow with the square of a text's length; a few thousand tokens do.
 * @throws UserError when the model has no hash on record or attention that xattention does not serve, there is no text, or one is empty or
 * longer than the context.
 */
export async function profileThresholds(
  model: LanguageModel,
  texts: readonly string[],
  { stride, blockSize, coverage }: ProfileOptions,
): Promise<ThresholdProfile> {
  const { sha256, name } = model.source;
  if (sha256 === undefined)
    throw new UserError(
      `${name}: a profile belongs to a model by its hash, and a file of one's own has none on record`,
    );
  if (texts.length === 0) throw new UserError("profileThresholds: expected at least one text, got none");
  const prompts = texts.map((text) => model.encode(text, true));
  const { context } = model.decoder.config;
  for (const [i, { length }] of prompts.entries())
    if (length === 0 || length > context)
      throw new UserError(`profileThresholds: text ${i} has ${length} tokens, expected 1 to ${context}`);
  requirePlainAttention("profileThresholds", model.decoder);
  using profiler = await ThresholdProfiler.create(model.decoder, { stride, blockSize });
  const profiles: number[][][] = [];
  for (const prompt of prompts) {
    await prefill(model, profiler, prompt);
    profiles.push(profiler.take(coverage));
  }
  return { modelSha256: sha256, stride, blockSize, coverage, thresholds: mergeProfiles(profiles) };
}

async function prefill({ engine }: LanguageModel, profiler: ThresholdProfiler, prompt: readonly number[]) {
  // Every row is to be seen, whatever an earlier prompt left in the cache.
  const slot = engine.acquireEmpty(prompt);
  const plan = planOf([{ attention: () => profiler }]);
  try {
    await engine.prefill(slot, prompt, new Meter(engine.programs), plan);
  } finally {
    engine.release(slot);
  }
}
