import { Meter } from "../engine/bill/meter.ts";
import type { LanguageModel, Prompt } from "../engine/decode/language-model.ts";
import { usesLongRope } from "../engine/decode/state/cached.ts";
import type { Spent } from "../graph/index.ts";
import type { PricedAnswer } from "../pipelines/model.ts";
import type { RunOptions } from "./options.ts";

/** The options that change a prompt's tokens. */
type Reading = Pick<RunOptions, "raw" | "suffix" | "tools" | "infill" | "mode">;
type Held = Reading & Pick<RunOptions, "cachePrompt">;

/** Prices a prompt and an answer of this text by the model's own cost rules, dense, as `Meter` bills a run. `cached` is the part of the prompt, 0 to 1, that a cache serves. */
export function priceOfAnswer(
  model: LanguageModel,
  prompt: Prompt,
  answer: PricedAnswer,
  options: Reading,
  cached: number,
): Spent & { readonly prompt: number } {
  const { length: ids } = idsOf(model, prompt, options);
  // The token that ends an answer is one that the model chose, too.
  const wanted = Math.max(1, model.tokenizer.encode(answer.text).length + Number(answer.ended));
  const completion = Math.min(wanted, Math.max(1, model.decoder.config.context - ids));
  return { ...priceOfLengths(model, { prompt: ids, cached: Math.round(cached * ids), completion }), prompt: ids };
}

/** The share of a prompt that the model's cache supplies, 0 to 1. */
export function heldShare(model: LanguageModel, prompt: Prompt, options: Held): number {
  if (options.cachePrompt === false) return 0;
  const ids = idsOf(model, prompt, options);
  return model.engine.slots.reusable(ids, "") / Math.max(1, ids.length);
}

/** The dense cost of a prompt of which a cache serves the first `cached` ids, and of an answer. */
export function priceOfLengths(
  { engine: { programs } }: LanguageModel,
  { prompt, cached, completion }: { readonly prompt: number; readonly cached: number; readonly completion: number },
): Spent {
  const meter = new Meter(programs);
  notePrompt(meter, prompt, Math.min(prompt - 1, cached));
  noteSteps(meter, prompt, Math.max(0, completion - 1));
  return denseOf(meter);
}

/** The dense cost of a prompt of `tokens` ids and the choice of its first token. */
export function priceOfPrompt({ engine: { programs } }: LanguageModel, tokens: number): Spent {
  const meter = new Meter(programs);
  notePrompt(meter, tokens, 0);
  return denseOf(meter);
}

/** The dense cost of `steps` decode steps after `past` tokens. */
export function priceOfSteps({ engine: { programs } }: LanguageModel, past: number, steps: number): Spent {
  const meter = new Meter(programs);
  noteSteps(meter, past, steps);
  return denseOf(meter);
}

function denseOf(meter: Meter): Spent {
  const { flops, bytes } = meter.total();
  return { flops: flops.dense, bytes: bytes.dense };
}

function notePrompt(meter: Meter, ids: number, cached: number): void {
  meter.insteadOfText(cached)(ids - cached);
  meter.insteadOfHead(1);
}

function noteSteps(meter: Meter, past: number, steps: number): void {
  const { config } = meter.programs.decoder;
  for (let tokens = past; tokens < past + steps; tokens++) {
    // The first token that needs the long rope factors has all others run again.
    const again = usesLongRope(config, tokens + 1) && !usesLongRope(config, tokens);
    if (again) notePrompt(meter, tokens + 1, 0);
    else {
      meter.insteadOfLayers(1, tokens);
      meter.insteadOfHead(1);
    }
  }
}

function idsOf(model: LanguageModel, prompt: Prompt, { raw, suffix, tools, infill, mode }: Reading): readonly number[] {
  if ((infill || mode) && typeof prompt === "string") return model.encodeInfill(prompt, { infill, mode }).ids;
  return suffix ? model.encodeAround(prompt, suffix) : model.encode(prompt, raw, tools);
}
