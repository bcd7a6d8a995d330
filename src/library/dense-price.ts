import { priceOfLengths } from "../engine/decode/dense-price.ts";
import type { LanguageModel, Prompt } from "../engine/decode/language-model.ts";
import type { Spent } from "../graph/index.ts";
import type { PricedAnswer } from "../pipelines/model.ts";
import type { RunOptions } from "./options.ts";

/** The options that affect a prompt's tokens. */
type Reading = Pick<RunOptions, "raw" | "suffix" | "tools" | "infill" | "mode">;
type PricedReading = Reading & Pick<RunOptions, "cachePrompt">;

/**
 * The dense price of a prompt and an answer with this text, computed with the model's own cost rules, as `Meter` bills
 * a run. `cached`: the share of the prompt in a cache, 0 to 1.
 */
export function priceOfAnswer(
  model: LanguageModel,
  prompt: Prompt,
  answer: PricedAnswer,
  options: Reading,
  cached: number,
): Spent & { readonly prompt: number } {
  const { length: ids } = idsOf(model, prompt, options);
  // The end token counts, because the model also chose it.
  const tokens = Math.max(1, model.tokenizer.encode(answer.text).length + Number(answer.ended));
  const completion = Math.min(tokens, Math.max(1, model.decoder.config.context - ids));
  return { ...priceOfLengths(model, { prompt: ids, cached: Math.round(cached * ids), completion }), prompt: ids };
}

/** The share of a prompt in the model's cache, 0 to 1. */
export function heldShare(model: LanguageModel, prompt: Prompt, options: PricedReading): number {
  if (options.cachePrompt === false) return 0;
  const ids = idsOf(model, prompt, options);
  return model.engine.slots.reusable(ids, "") / Math.max(1, ids.length);
}

function idsOf(model: LanguageModel, prompt: Prompt, { raw, suffix, tools, infill, mode }: Reading): readonly number[] {
  if ((infill || mode) && typeof prompt === "string") return model.encodeInfill(prompt, { infill, mode }).ids;
  return suffix ? model.encodeAround(prompt, suffix) : model.encode(prompt, raw, tools);
}
