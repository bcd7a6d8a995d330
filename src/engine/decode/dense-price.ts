import type { Spent } from "../../graph/index.ts";
import { Meter } from "../bill/meter.ts";
import type { LanguageModel } from "./language-model.ts";
import { usesLongRope } from "./state/cached.ts";

/** The dense cost of a prompt whose first `cached` ids are in the cache, and of an answer. */
export function priceOfLengths(
  { engine: { programs } }: LanguageModel,
  { prompt, cached, completion }: { readonly prompt: number; readonly cached: number; readonly completion: number },
): Spent {
  const meter = new Meter(programs);
  notePrompt(meter, prompt, Math.min(prompt - 1, cached));
  noteSteps(meter, prompt, Math.max(0, completion - 1));
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
    // Once a token needs the long rope factors, all earlier tokens run again.
    const again = usesLongRope(config, tokens + 1) && !usesLongRope(config, tokens);
    if (again) notePrompt(meter, tokens + 1, 0);
    else {
      meter.insteadOfLayers(1, tokens);
      meter.insteadOfHead(1);
    }
  }
}
