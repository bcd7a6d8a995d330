import { Meter } from "../src/engine/bill/meter.ts";
import type { Model } from "../src/index.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";
import { timedPrefill } from "./own-prefill.ts";
import { bookTokens } from "./tokens.ts";

const [PROMPT, STEPS] = [512, 64];

/** The tokens per second of a prompt with an empty cache and the steps after it. */
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

/** Compares quantised float weights with the floats themselves, on a prompt of 512 tokens and 64 steps. */
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

/** Measures tokens per second in steps of `rows` rows after a prompt. */
const stepsOf =
  (rows: number, steps: number) =>
  async (model: Model): Promise<number> => {
    const { engine } = model.language;
    const tokens = bookTokens(model, STEPS + steps);
    const meter = new Meter(engine.programs);
    engine.forget();
    const slots = Array.from({ length: rows }, () => engine.acquireEmpty());
    for (const slot of slots) await engine.prefill(slot, tokens.slice(0, STEPS), meter);
    const started = performance.now();
    for (const token of tokens.slice(STEPS)) await engine.stepAll(slots.map((slot) => ({ slot, token, meter })));
    const seconds = (performance.now() - started) / 1000;
    for (const slot of slots) engine.release(slot);
    return (rows * steps) / seconds;
  };

const rates = {
  step: stepsOf(1, STEPS),
  batch: stepsOf(8, STEPS / 4),
  prompt: async (model: Model) => PROMPT / (await timedPrefill(model, bookTokens(model, PROMPT))).seconds,
};

/** Compares rotated bytes with a model's default form: in steps of one row, of 8 rows, or a prompt of 512 tokens. */
export const rotated = (of: keyof typeof rates): Bench => ({
  name: `q8r-${of}`,
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  defaultForm: true,
  sides: ({ path }) => ({
    ours: ownSide("q8r", new OwnModel(path, [], "q8r"), rates[of]),
    theirs: ownSide("the default form", new OwnModel(path), rates[of]),
  }),
});
