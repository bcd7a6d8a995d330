import { Meter } from "../src/engine/bill/meter.ts";
import { load, type Model } from "../src/index.ts";
import { predictedPrefillSpeedup } from "../src/savings/attention/xattention/cost.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";
import { bookTokens } from "./tokens.ts";

const PROMPT = 8000;
const STRIDE = 16;
export const RECIPE = `xattention:threshold=0.95,stride=${STRIDE}`;

/** Seconds of a prefill from an empty cache, and its bill. */
async function timed(model: Model, tokens: readonly number[]) {
  const { engine } = model.language;
  const slot = engine.acquire(tokens);
  slot.truncate(0);
  const meter = new Meter(engine.programs);
  using recipe = await model.language.recipes.use(model.recipe);
  const started = performance.now();
  await engine.prefill(slot, tokens, meter, recipe.plan(tokens.length));
  engine.release(slot);
  return { seconds: (performance.now() - started) / 1000, bill: meter.total() };
}

const rate = async (model: Model) => PROMPT / (await timed(model, bookTokens(model, PROMPT))).seconds;

/** Block-sparse prefill of 8,000 tokens of real text against our own dense run of them. */
export const xattention: Bench = {
  name: "xattention",
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides: ({ path }) => ({
    ours: ownSide(RECIPE, new OwnModel(path, [RECIPE]), rate),
    theirs: ownSide("modicum dense", new OwnModel(path), rate),
  }),
  /** The limit at the measured density: attention's share a of dense time shrinks to density + 1/(2S) of itself. */
  async floor({ path }) {
    using dense = await load(path);
    using sparse = await load(path, { save: [RECIPE] });
    const tokens = bookTokens(dense, PROMPT);
    const short = 250;
    const withoutPast = (await timed(dense, tokens.slice(0, short))).seconds / short;
    const whole = (await timed(dense, tokens)).seconds;
    const { blocks } = (await timed(sparse, tokens)).bill.work;
    const share = 1 - (withoutPast * PROMPT) / whole;
    return (PROMPT / whole) * predictedPrefillSpeedup(blocks!.run / blocks!.dense, STRIDE, share);
  },
};
