import { load, type Model } from "../src/index.ts";
import { predictedPrefillSpeedup } from "../src/savings/attention/xattention/cost.testing.ts";
import type { Bench } from "./harness.ts";
import { OwnModel, ownSide } from "./own.ts";
import { timedPrefill } from "./own-prefill.ts";
import { bookTokens } from "./tokens.ts";

const PROMPT = 8000;
const STRIDE = 16;
export const RECIPE = `xattention:threshold=0.95,stride=${STRIDE}`;

const rate = async (model: Model) => PROMPT / (await timedPrefill(model, bookTokens(model, PROMPT))).seconds;

/** Compares block-sparse prefill of 8,000 tokens of real text with our own dense run. */
export const xattention: Bench = {
  name: "xattention",
  unit: "tok/s",
  moreIsBetter: true,
  lifetime: "kept",
  sides: ({ model }) => ({
    ours: ownSide(RECIPE, new OwnModel(model, [RECIPE]), rate),
    theirs: ownSide("modicum dense", new OwnModel(model), rate),
  }),
  /** The limit at the measured density: attention's share a of dense time shrinks to density + 1/(2S) of itself. */
  async floor({ model }) {
    using dense = await load(model);
    using sparse = await load(model, { save: [RECIPE] });
    const tokens = bookTokens(dense, PROMPT);
    const short = 250;
    const withoutPast = (await timedPrefill(dense, tokens.slice(0, short))).seconds / short;
    const whole = (await timedPrefill(dense, tokens)).seconds;
    const { blocks } = (await timedPrefill(sparse, tokens)).bill.work;
    const share = 1 - (withoutPast * PROMPT) / whole;
    return (PROMPT / whole) * predictedPrefillSpeedup(blocks!.run / blocks!.dense, STRIDE, share);
  },
};
