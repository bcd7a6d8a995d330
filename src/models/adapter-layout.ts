import type { Layout } from "../weights/adapter/branches.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { Architecture, Decoder } from "./decoder.ts";

/**
 * How a checkpoint's matrices lie beside the modules that adapters were trained on, which are Hugging Face's: where a GGUF's heads are rotated
 * in pairs of neighbours, its rows of q and k are those of each head's halves, one by one in turn.
 */
export function layoutOf({ config }: Checkpoint, { modules }: Architecture, decoder: Decoder): Layout {
  const { layers, headSize } = decoder.config;
  const rotaries = Array.from({ length: layers }, (_, layer) => decoder.attention(layer).rotary);
  const turned = config.kind === "gguf" && rotaries.includes("interleaved");
  const isTurned = (name: string) => turned && /^blk\.\d+\.attn_[qk]$/.test(name);
  return { modules, row: (name, row) => (isTurned(name) ? rowInHalves(row, headSize) : row) };
}

/** Where the row lies when a head's even rows come first, then its odd ones. */
function rowInHalves(row: number, headSize: number): number {
  const inHead = row % headSize;
  return row - inHead + Math.floor(inHead / 2) + (inHead % 2) * (headSize / 2);
}
