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
    .describe("denoisers: ul2r is half S, a quarter R, a quarter X; ul2 has the seven of UL2"),
  causal: fraction(0.2).describe("share of texts left unchanged, without a mode"),
  mask: choice(["prefix", "causal"])
    .default("causal")
    .describe("causal: inputs see only earlier tokens, as when served; prefix: inputs see each other"),
  sentinels: integer(1, 100).describe("number of tokens that mark hidden spans"),
  reuse: z
    .string()
    .default("")
    .describe("special tokens of the model to use as modes and sentinels, joined by +, instead of new ones"),
  roll: flag(true).describe(
    "rotate the hidden spans; otherwise the last token is always hidden, and inputs end with a blank",
  ),
});
export type Ul2rOptions = z.output<typeof options>;

/** UL2R (Tay et al. 2022, arXiv 2210.11399): continues training a causal model with a mixture of denoisers, on its own data. */
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

/** Reusing a sentinel would make the task ambiguous. @throws UserError if a row may need too many */
function checkSentinels(mixture: readonly Denoiser[], { tokens }: TrainingData, sentinels: number): void {
  for (const denoiser of mixture) {
    if (denoiser.kind === "S") continue;
    const runs = mostRuns(longestText(tokens + 1, tokens + 1, denoiser) ?? 2, denoiser);
    if (runs <= sentinels) continue;
    const { meanSpan, rate } = denoiser;
    throw new UserError(
      `ul2r: rows of ${tokens} tokens have up to ${runs} hidden spans (mean ${meanSpan}, rate ${rate}), but there are only ${sentinels} sentinels; set sentinels=${runs}`,
      2,
    );
  }
}
