import { z } from "zod";
import type { Checkpoint } from "../checkpoint.ts";
import type { KernelForm } from "../gguf/index.ts";
import type { Part } from "./part.ts";
import type { Bits } from "./quantize.ts";

/**
 * How weights are held. Those that a GGUF has quantised run in the exact form of their type, unless it is `f32`. Those that are floats:
 * `q8` rounds matrices to 8 bits in blocks of 32, `q4` to 4 bits, `f32` rounds nothing; `auto` is `q8` for safetensors, `f32` for GGUF.
 */
export const quants = ["auto", "f32", "q8", "q4"] as const;
export type Quant = (typeof quants)[number];

/** As an option of whatever loads a model. */
export const quantOptions = z.object({
  quant: z
    .enum(quants)
    .default("auto")
    .describe(
      "form of the weights: f32, q8, q4 (floats rounded to 8 or 4 bits) or auto (q8 for safetensors, as it is for GGUF)",
    ),
});

/** Bits that the matrices which a checkpoint has as floats are rounded to; undefined: none. */
export function roundedBits(quant: Quant, { config }: Checkpoint): Bits | undefined {
  switch (quant) {
    case "f32":
      return undefined;
    case "q8":
      return 8;
    case "q4":
      return 4;
    case "auto":
      return config.kind === "huggingface" ? 8 : undefined;
  }
}

/** How one tensor is held: undefined is float32. */
export interface Form extends KernelForm {
  /** Rounded to so many bits; absent where the form is exact. */
  readonly bits?: Bits;
}

/** The form of matrices that are stacked into one: undefined, float32, as soon as one of them is. */
export function stackedForm(forms: readonly (Form | undefined)[]): Form | undefined {
  const held = forms.filter((form) => form !== undefined);
  if (held.length < forms.length) return undefined;
  return { block: held.some((f) => f.block === 16) ? 16 : 32, residual: held.some((f) => f.residual) };
}

/** Bytes that `weights` of a form take in memory: codes, a scale and a zero point a block, and a correction where there is one. */
export function bytesIn(form: Form | undefined, weights: number): number {
  return form ? weights + ((form.residual ? 9 : 5) * weights) / form.block : 4 * weights;
}

/** A form in words. */
export function formName(form: Form | undefined): string {
  if (!form) return "float32";
  const codes = form.bits ? `rounded to ${form.bits} bits` : "8-bit codes";
  return `${codes} in blocks of ${form.block}${form.residual ? ", corrected in float32" : ""}`;
}

/** The form in which a matrix runs. */
export function formOf(part: Part, quant: Quant, checkpoint: Checkpoint): Form | undefined {
  if (quant === "f32") return undefined;
  const exact = part.exactForm;
  if (exact) return exact;
  const bits = part.blockable ? roundedBits(quant, checkpoint) : undefined;
  return bits && { block: 32, residual: false, bits };
}
