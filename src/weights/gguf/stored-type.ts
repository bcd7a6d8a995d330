import { BLOCK, type WrittenType } from "./quantize.ts";

/** Tensors that llama.cpp stores in float32, because they are small and rounding them would cost the most quality. */
const EXACT =
  /(_norm|ffn_gate_inp|ffn_gate_inp_shexp|position_embd|token_types|ssm_conv1d|shortconv\.conv|rope_\w+)\.weight$/;
const TOKENS = /^(token_embd|output)\.weight$/;

/**
 * The storage type of a GGUF tensor if matrices are of `type`: float32 for vectors, half precision for rows that are
 * not whole blocks, and 8 bits for token tables if matrices have 4 bits.
 */
export function storedType(name: string, shape: readonly number[], type: WrittenType): WrittenType {
  if (shape.length < 2 || !name.endsWith(".weight") || EXACT.test(name)) return "F32";
  if (type === "F32" || type === "F16") return type;
  if (shape.at(-1)! % BLOCK !== 0) return "F16";
  return type !== "Q8_0" && TOKENS.test(name) ? "Q8_0" : type;
}

/** `general.file_type`: the most frequent matrix type (gguf's `LlamaFileType`). */
export const fileType: Readonly<Record<WrittenType, number>> = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q8_0: 7 };
