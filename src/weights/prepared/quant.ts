import { z } from "zod";
import { type Block, type ByteForm, bytesOfCodes, type CodeBits, storedBlocks } from "../../graph/index.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { KernelForm } from "../gguf/index.ts";
import type { Part } from "./part.ts";
import type { Bits } from "./quantize.ts";

/**
 * Forms of weights. Except with `f32`, quantised GGUF weights run in the kernels' form of their type. For floats, `q8`
 * rounds matrices to 8 bits in blocks of 32, `q4` to 4 bits except for token vectors, and `f32` rounds nothing; `auto`
 * is `q8` for safetensors and `f32` for GGUF. `q8r` rounds the layers' matrices of any type to rotated bytes, and
 * treats all other weights as `auto` does.
 */
export const quants = ["auto", "f32", "q8", "q4", "q8r"] as const;
export type Quant = (typeof quants)[number];

/** The schema of the option for commands that load a model. */
export const quantOptions = z.object({
  quant: z
    .enum(quants)
    .default("auto")
    .describe(
      "form of the weights: f32, q8 or q4 (rounded to 8 or 4 bits), q8r (layers in rotated bytes), auto (q8 for safetensors, as stored for GGUF)",
    ),
});

/** The form in which a model's weights run, to the extent that results depend on it; stored with calibrations. */
export const modelForm = z.object({
  /** Absent in older files. */
  quant: z.enum(quants).optional(),
  /** The code width of 4-bit types; absent for models without such types, and in older files. */
  codes: z.literal([4, 8]).optional(),
});
export type ModelForm = Readonly<z.output<typeof modelForm>>;

/** The form of a checkpoint's weights; `codes` is the width chosen for 4-bit types. */
export function formOfModel(checkpoint: Checkpoint, quant: Quant, codes: CodeBits): ModelForm {
  const rounded = quant === "auto" && roundedBits(quant, checkpoint) === 8 ? "q8" : quant;
  return { quant: rounded, ...(mayHaveFourBits(checkpoint, quant) && { codes }) };
}

/** False if no tensor can have 4-bit codes. */
export const mayHaveFourBits = (checkpoint: Checkpoint, quant: Quant): boolean =>
  roundedBits(quant, checkpoint) === 4 ||
  (quant !== "f32" &&
    quant !== "q8r" &&
    [...checkpoint.tensors.values()].some((tensor) => checkpoint.form(tensor)?.bits === 4));

/** The number of bits to which a checkpoint's float matrices are rounded; undefined if they are not rounded. */
function roundedBits(quant: Quant, { config }: Checkpoint): Bits | undefined {
  switch (quant) {
    case "f32":
      return undefined;
    case "q8":
      return 8;
    case "q4":
      return 4;
    case "auto":
    case "q8r":
      return config.kind === "huggingface" ? 8 : undefined;
  }
}

/** The form of one tensor. */
export type Form = { readonly kind: "float32" } | BlockForm | BytesForm;

/** Codes in blocks that share a scale. */
export interface BlockForm extends KernelForm {
  readonly kind: "blocks";
  /** The number of bits that weights were rounded to; absent if the file's own codes are used. */
  readonly rounded?: Bits;
}

/** Weights rounded to bytes, with one scale per output. */
export interface BytesForm extends ByteForm {
  readonly kind: "bytes";
}

export const FLOAT32: Form = { kind: "float32" };

/**
 * The form of stacked matrices: blocks if all have blocks, with 8 bits if one needs them; else the form of the first
 * matrix without blocks.
 */
export function stackedForm(forms: readonly Form[]): Form {
  const held = forms.filter((form) => form.kind === "blocks");
  if (held.length < forms.length) return forms.find((form) => form.kind !== "blocks")!;
  return {
    kind: "blocks",
    bits: held.every((f) => f.bits === 4) ? 4 : 8,
    block: Math.min(...held.map((f) => f.block)) as Block,
    minimum: held.some((f) => f.minimum),
  };
}

/** The byte form that `q8r` uses. */
const ROTATED: BytesForm = { kind: "bytes", digits: 1, rotation: 32 };

/** The number of bytes in each part of a matrix [rows, cols] in blocks. */
export function partBytes(form: BlockForm, [rows, cols]: readonly [rows: number, cols: number]) {
  const { bits, block } = form;
  const blocks = isCorrected(form) ? storedBlocks(cols / block) : cols / block;
  return {
    codes: rows * bytesOfCodes(blocks * block, bits),
    scale: 4 * rows * blocks,
    zero: rows * bytesOfCodes(blocks, bits),
  };
}

/** True if minima are stored beside the codes. */
export const isCorrected = ({ bits, minimum }: KernelForm): boolean => minimum && bits === 4;

/** The number of bytes that a tensor takes in memory. */
export function bytesIn(form: Form, shape: readonly number[]): number {
  const [rows, cols] = shape as [number, number];
  switch (form.kind) {
    case "float32":
      return 4 * shape.reduce((total, size) => total * size, 1);
    case "blocks":
      return Object.values(partBytes(form, [rows, cols])).reduce((a, b) => a + b);
    case "bytes":
      return rows * (form.digits * cols + 4);
  }
}

/** Describes a form in words. */
export function formName(form: Form): string {
  switch (form.kind) {
    case "float32":
      return "float32";
    case "blocks": {
      const codes = form.rounded === form.bits ? "" : `${form.bits}-bit codes`;
      const rounded = form.rounded ? `rounded to ${form.rounded} bits` : "";
      return `${[rounded, codes].filter(Boolean).join(", ")} in blocks of ${form.block}${isCorrected(form) ? ", corrected in 8 bits" : ""}`;
    }
    case "bytes": {
      const rotated = form.rotation === 0 ? "" : `rotated in blocks of ${form.rotation}, `;
      return `${rotated}rounded to ${8 * form.digits} bits with a scale for each output`;
    }
  }
}

/** The form in which a matrix runs, with codes of at least `fewest` bits. */
export function formOf(part: Part, quant: Quant, checkpoint: Checkpoint, fewest: CodeBits): Form {
  if (quant === "f32") return FLOAT32;
  // A head that is also the token table shares the table's codes.
  if (quant === "q8r" && part.blockable && !part.ofTokens) return ROTATED;
  const form =
    storedForm(part) ??
    (part.blockable && !part.ofSteps ? roundedForm(part, roundedBits(quant, checkpoint)) : undefined);
  return form ? { ...form, kind: "blocks", bits: fewest === 8 ? 8 : form.bits } : FLOAT32;
}

/** The form of a GGUF's matrix. A rounded head has larger blocks, because each token waits for it (docs/log.md). */
function storedForm({ storedForm: form, ofTokens }: Part): KernelForm | undefined {
  return form?.rounded && ofTokens ? { ...form, block: 64 } : form;
}

/** The form that 4-bit GGUF files use: a minimum per block, and 8 bits for the token table and the head. */
function roundedForm({ ofTokens }: Part, wanted: Bits | undefined): Omit<BlockForm, "kind"> | undefined {
  const rounded = ofTokens ? wanted && 8 : wanted;
  return rounded && { bits: rounded, block: 32, minimum: rounded === 4, rounded };
}
