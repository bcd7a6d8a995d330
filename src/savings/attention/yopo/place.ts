import { Buffer } from "../../../runtime/buffer.ts";
import type { AttentionCall } from "../../seams.ts";
import type { VisualPrograms } from "./attention.ts";

/** Writes a prompt's rotated queries into `q` [heads, tokens, d], and its rotated keys and values into the cache. */
export async function placeChunk({ shape, programs }: VisualPrograms, call: AttentionCall, q: Buffer): Promise<void> {
  const { tokens, qkv, positions, axes, cache, layer } = call;
  const { heads, kvHeads, headSize } = shape;
  const { key, value } = cache.layer(layer);
  using first = new Buffer("i64", 1);
  new BigInt64Array(first.memory).fill(0n);
  const [height, width] = axes.map((axis) => axis.view([1, tokens]));
  const where = {
    ...{ first: first.view([1]), positions: positions.view([1, tokens]) },
    ...(height && width && { positionsHeight: height, positionsWidth: width }),
  };
  const held = { pastKey: key, presentKey: key, pastValue: value, presentValue: value };
  const views = {
    qkv: qkv.view([1, tokens, (heads + 2 * kvHeads) * headSize]),
    q: q.view([heads, tokens, headSize]),
  };
  await programs.place.bind({ ...where, ...held, ...views }).run();
}
