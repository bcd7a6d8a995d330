import { Engine } from "../src/engine/decode/run/engine.ts";
import type { CodeBits } from "../src/graph/index.ts";
import { openDecoder } from "../src/models/registry.ts";
import { SharedWeights } from "../src/runtime/shared-weights.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";
import type { Quant } from "../src/weights/prepared/quant.ts";
import { preparedFolder } from "../src/weights/sources/index.ts";

/**
 * Opens a model's engine with 4-bit types in codes of `bits` bits, whatever timing chose. Its programs share weights,
 * as in a loaded model.
 */
export async function openEngine(file: string, quant: Quant, bits: CodeBits): Promise<Engine> {
  using shared = new SharedWeights();
  const { decoder, weights } = await openDecoder(openCheckpoint(file), preparedFolder(file), quant, undefined, bits);
  return Engine.create(decoder, weights, shared);
}
