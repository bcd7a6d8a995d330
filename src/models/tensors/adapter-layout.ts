import type { Layout } from "../../weights/adapter/lora-layers.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { type Architecture, type Decoder, headSizeOf } from "../decoder/decoder.ts";

/**
 * Maps a checkpoint's matrices to the Hugging Face modules that adapters change. If a GGUF rotates neighbouring pairs,
 * its rows of q and k interleave the two halves of each head.
 */
export function layoutOf(
  { config }: Pick<Checkpoint, "config">,
  { modules, part }: Pick<Architecture, "modules" | "part">,
  decoder: Pick<Decoder, "config">,
): Layout {
  const headSize = headSizeOf(decoder.config);
  const { pairs, pairsAsPublished } = decoder.config;
  const turned = config.kind === "gguf" && pairs === "interleaved" && !pairsAsPublished;
  const isTurned = (name: string) => turned && /^blk\.\d+\.attn_[qk]$/.test(name);
  const named = (name: string) => modules(name, config);
  const row: Layout["row"] = (name, at) => (isTurned(name) ? rowInHalves(at, headSize) : at);
  return { modules: named, row, ...(part && { part }) };
}

/** The index of a row after a head's even rows are placed before its odd ones. */
function rowInHalves(row: number, headSize: number): number {
  const inHead = row % headSize;
  return row - inHead + Math.floor(inHead / 2) + (inHead % 2) * (headSize / 2);
}
