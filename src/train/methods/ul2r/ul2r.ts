import { z } from "zod";
import { choice, flag, fraction, integer } from "../../../savings/option-schemas.ts";
import { UserError } from "../../../util/errors.ts";
import type { TrainingData } from "../../data/batch.ts";
import type { Method } from "../method.ts";
import { type Denoising, denoised } from "./data.ts";
import { type Denoiser, MIXTURES, mixtureOf } from "./denoisers.ts";
import { longestText } from "./sequence.ts";
import { mostRuns } from "./spans.ts";
import { denoisingIds, tokensOf } from "./tokens.ts";

const options = z.strictObject({
  mixture: choice(MIXTURES)
    .default("ul2r")
    .describe("denoisers: ul2r is half S, a quarter R, a quarter X; ul2 is UL2's seven"),
  causal: fraction(0.2).describe("share of texts left unchanged, without a mode token"),
  mask: choice(["prefix", "causal"])
    .default("causal")
    .describe("causal: inputs attend only to earlier tokens, as in inference; prefix: inputs attend to all inputs"),
  sentinels: integer(1, 100).describe("number of tokens that mark hidden spans"),
  reuse: z
    .string()
    .default("")
    .describe("special tokens of the model to use as modes and sentinels, joined by +, instead of new ones"),
  roll: flag(true).describe(
    "rotate the hidden spans; otherwise the last token is always hidden, and inputs end with a sentinel",
  ),
});
export type Ul2rOptions = z.output<typeof options>;

/** UL2R (Tay et al. 2022, arXiv 2210.11399): continues training a causal model, with a mixture of denoisers. */
export const ul2r: Method<Ul2rOptions> = {
  name: "ul2r",
  summary: "continue training with a mixture of denoisers",
  options,
  presets: () => ({
    optimizer: { lr: 1e-4 },
    schedule: { name: "cosine", warmup: 0, minimum: 0.01 },
  }),
  newTokens: ({ sentinels, reuse }) => ({
    names: tokensOf(sentinels),
    inPlaceOf: reuse.split("+").filter((name) => name !== ""),
  }),
  data(own, { training, heldOut, hash }, { options: run, tokenizer }) {
    const mixture = mixtureOf(own.mixture, own.roll);
    checkSentinels(mixture, training, own.sentinels);
    const tokens = denoisingIds(tokenizer, own.sentinels);
    const denoising: Denoising = { mixture, causal: own.causal, tokens, prefixed: own.mask === "prefix" };
    return {
      training: denoised(training, denoising, run.seed),
      heldOut: heldOut && denoised(heldOut, denoising, 0),
      hash,
    };
  },
};

/** Checks that no row needs more sentinels than exist, since reuse would be ambiguous. @throws UserError */
function checkSentinels(mixture: readonly Denoiser[], { tokens }: TrainingData, sentinels: number): void {
  for (const denoiser of mixture) {
    if (denoiser.kind === "S") continue;
    const runs = mostRuns(longestText(tokens + 1, tokens + 1, denoiser) ?? 2, denoiser);
    if (runs <= sentinels) continue;
    const { meanSpan, rate } = denoiser;
    throw new UserError(
      `ul2r: rows of ${tokens} tokens have up to ${runs} hidden spans (mean ${meanSpan}, rate ${rate}), but only ${sentinels} sentinels; set sentinels=${runs}`,
      2,
    );
  }
}
