import { z } from "zod";
import { type ByteForm, byteFormKey } from "../../graph/index.ts";
import { type Decoder, unsupportedInBytes } from "../../models/decoder/decoder.ts";
import { multipliesBytes } from "../../runtime/processor.ts";
import { UserError } from "../../util/errors.ts";
import type { ModelForm } from "../../weights/prepared/quant.ts";
import { integer, oneOf } from "../option-schemas.ts";
import type { PlanPart } from "../plan.ts";
import type { Saving } from "../saving.ts";

const options = z.strictObject({
  digits: oneOf([1, 2], 1).describe("bytes per weight and per input; 2 is nearly exact, but slower than 1"),
  rotation: oneOf([0, 32], 32).describe(
    "size of the Hadamard rotation of weights and inputs, which spreads outliers and reduces the error several times; 0: none",
  ),
  minLength: integer(1, 32).describe("shorter prompts, in tokens, stay dense"),
});
type Int8PrefillOptions = z.infer<typeof options>;

/** The saving's plan part, with its own state key, since dense requests must not reuse its state. */
function partOf(bytes: ByteForm): PlanPart {
  const state = `int8-prefill ${byteFormKey(bytes)}`;
  return { bytes, state: { prompt: state, answer: state } };
}

/** The reason that a model cannot run its prompts in bytes and its decoding steps dense; undefined if it can. */
const unsupported = ({ config }: Decoder, form?: ModelForm): string | undefined =>
  unsupportedInBytes(config) ?? (form?.quant === "q8r" ? "weights that are already bytes (q8r)" : undefined);

const idle = (form: ModelForm | undefined): string | undefined =>
  form?.quant === "q8r" ? "int8-prefill changes nothing here: prompts run in rotated bytes already (q8r)" : undefined;

/**
 * Computes a prompt's matrix products in bytes: weights rounded to 8 bits with a scale per output, activations with a
 * scale per token (the per-token quantisation of ZeroQuant, Yao et al. 2022, without its distillation). With digits=2,
 * each value has two bytes. Weights and activations may be rotated first, block by block, which leaves exact products
 * unchanged. Decoding steps run dense.
 */
export const int8Prefill: Saving<Int8PrefillOptions> = {
  name: "int8-prefill",
  group: "precision",
  summary: "8-bit matrix products for prompts, on CPUs that support them",
  needs: ["tokens in"],
  options,
  unsupported,
  idle,
  seams: () => ["the products of a prompt"],
  settings: () => ["digits=2,rotation=0", "digits=1"],
  leastPrompt: { option: "minLength", tokens: ({ minLength }) => minLength },
  async check(_, { decoder }) {
    const why = unsupportedInBytes(decoder.config);
    if (why !== undefined) throw new UserError(`int8-prefill does not support this model: it has ${why}`, 2);
    if (!multipliesBytes())
      throw new UserError(
        "int8-prefill: expected a processor with byte dot products (VNNI, AMX, dotprod), which this one lacks",
        2,
      );
  },
  async prepare(options, host) {
    await int8Prefill.check(options, host);
    const { digits, rotation } = options;
    const why = idle(host.form);
    if (why !== undefined) host.onNotice?.(why);
    return {
      plan: ({ prompt }) =>
        why !== undefined || prompt < options.minLength ? undefined : partOf({ digits, rotation }),
      [Symbol.dispose]() {},
    };
  },
};
