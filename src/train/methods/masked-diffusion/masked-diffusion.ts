import { z } from "zod";
import { integer } from "../../../savings/option-schemas.ts";
import { UserError } from "../../../util/errors.ts";
import { MASK_TOKEN, maskIdOf } from "../../../weights/tokenizer/special.ts";
import type { Arrange } from "../../data/samples.ts";
import type { DataHost, Method } from "../method.ts";
import { type Masking, masked } from "./data.ts";

const options = z.strictObject({
  answer: integer(0, 0).describe(
    "pad answers with end tokens, trained like other tokens, to this many tokens; 0: no padding",
  ),
  epsilon: z.coerce.number().positive().max(0.5).default(1e-3).describe("minimum share of tokens to mask"),
});
export type MaskedDiffusionOptions = z.output<typeof options>;

/**
 * Masked diffusion (Nie et al. 2025, arXiv 2502.09992, algorithms 1 and 2): a random share p of an answer's tokens is
 * masked, and the cross-entropy of each masked token is weighted by 1/p.
 */
export const maskedDiffusion: Method<MaskedDiffusionOptions> = {
  name: "masked-diffusion",
  summary: "train a diffusion language model, such as llada",
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
  throw new UserError("masked-diffusion: the model is causal; expected a masked diffusion model (llada, dream)", 2);
}

/**
 * Makes samples in which each position's label is its own token. Pads answers to `length` tokens with the end token; 0
 * for no padding.
 */
export const aligned =
  (length: number, end: number | undefined): Arrange =>
  (tokens, labelled) => {
    const answer = labelled.filter(Boolean).length;
    if (length > 0 && answer > length)
      throw new UserError(`the answer has ${answer} tokens, including its end token, expected at most ${length}`);
    const fill = Array.from({ length: Math.max(0, length - answer) }, () => endOf(end));
    const ids = Int32Array.from([...tokens, ...fill]);
    return { ids, labels: ids.map((id, i) => ((labelled[i] ?? true) ? id : -1)) };
  };

function endOf(end: number | undefined): number {
  if (end !== undefined) return end;
  throw new UserError("masked-diffusion: the tokenizer has no end token; set answer=0", 2);
}
