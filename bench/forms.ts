import { Meter } from "../src/engine/bill/meter.ts";
import type { Model } from "../src/index.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";
import { bookTokens } from "./tokens.ts";

const [PROMPT, STEPS] = [512, 64];

/** Tokens a second, of a prompt from an empty cache and of the steps after it together. */
async function rate(model: Model): Promise<number> {
  const { engine } = model.language;
  const tokens = bookTokens(model, PROMPT + STEPS);
  const meter = new Meter(engine.programs);
  engine.forget();
  const slot = engine.acquireEmpty();
  const started = performance.now();
  await engine.prefill(slot, tokens.slice(0, PROMPT), meter);
  for (const token of tokens.slice(PROMPT)) await engine.step(slot, token, meter);
  const seconds = (performance.now() - started) / 1000;
  engine.release(slot);
  return tokens.length / seconds;
}

/** A form of float weights against the floats themselves: a prompt of 512 tokens and 64 steps. */
export const form = (quant: "q8" | "q4"): Bench => ({
  name: `form-${quant}`,
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides: ({ path }) => ({
    ours: ownSide(quant, new OwnModel(path, [], quant), rate),
    theirs: ownSide("f32", new OwnModel(path, [], "f32"), rate),
  }),
});
