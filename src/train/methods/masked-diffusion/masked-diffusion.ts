import { z } from "zod";
import { integer } from "../../../savings/option-schemas.ts";
import { UserError } from "../../../util/errors.ts";
import { MASK_TOKEN, maskIdOf } from "../../../weights/tokenizer/mask-token.ts";
import type { DataHost, Method } from "../method.ts";
import { aligned } from "./arrange.ts";
import { type Masking, masked } from "./data.ts";

const options = z.strictObject({
  answer: integer(0, 0).describe(
    "tokens that answers are filled up to with end tokens, which are trained like others; 0: they stay as they are",
  ),
  epsilon: z.coerce.number().positive().max(0.5).default(1e-3).describe("the least share of tokens that is masked"),
});
export type MaskedDiffusionOptions = z.output<typeof options>;

/**
 * Masked diffusion (Nie et al. 2025, arXiv 2502.09992, algorithms 1 and 2): a random share p of an answer's tokens is
 * masked, and the cross-entropy of each masked token counts 1/p.
 */
export const maskedDiffusion: Method<MaskedDiffusionOptions> = {
  name: "masked-diffusion",
  summary: "fill in masked tokens: trains a diffusion language model, such as llada",
  options,
  presets: () => ({ packing: true }),
  newTokens: (_, base) => ({ names: base && maskIdOf(base) !== undefined ? [] : [MASK_TOKEN] }),
  arrange: ({ answer }, { tokenizer }) => aligned(answer, tokenizer.eos),
  data({ epsilon }, { training, heldOut, hash }, host) {
    const masking = { ...maskOf(host), epsilon };
    return {
      training: masked(training, masking, host.options.seed),
      heldOut: heldOut && masked(heldOut, masking, 0),
      hash,
    };
  },
};

/** @throws UserError if the model is causal */
function maskOf({ denoiser, tokenizer }: DataHost): Omit<Masking, "epsilon"> {
  if (denoiser) return { mask: denoiser.mask ?? maskIdOf(tokenizer)!, shifted: denoiser.shifted };
  throw new UserError(
    "masked-diffusion: the model is causal, expected one that fills in masked tokens (llada, dream)",
    2,
  );
}
