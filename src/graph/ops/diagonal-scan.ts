import { mul, sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { minus, times } from "./elementwise.ts";
import { concat, reverse, split } from "./shape.ts";

const diagonalScanOp: Op<null> = {
  name: "diagonalScan",
  operands: ["u", "decay"],
  infer([u, decay]) {
    if (u!.shape.length !== 3 || u!.shape.some((dim) => typeof dim !== "number"))
      throw new ShapeError("diagonalScan", "u", showType(u!), "[batch, tokens, channels] with known sizes");
    if (!sameShape(u!.shape, decay!.shape))
      throw new ShapeError("diagonalScan", "decay", showType(decay!), showType(u!));
    return [u!];
  },
  // Linear attention with one head of size 1 per channel; all keys and queries are 1.
  onnx(emit, { inputs: [u, decay], outputs, types }) {
    const [batch, tokens, channels] = types[0]!.shape as [number, number, number];
    const table = (name: string, value: number, shape: number[]) =>
      emit.table(
        `${name}_${shape.join("_")}`,
        new Float32Array(shape.reduce((n, size) => n * size, 1)).fill(value),
        shape,
      );
    const ones = table("scan_ones", 1, [batch, tokens, 1]);
    const before = table("scan_start", 0, [batch, channels, 1, 1]);
    emit.contrib("LinearAttention", [ones, ones, u!, before, decay!], [outputs[0]!, emit.temp()], {
      q_num_heads: { int: 1 },
      kv_num_heads: { int: channels },
      update_rule: { string: "gated" },
      scale: { float: 1 },
    });
  },
  // The states' gradient is the same scan run backwards: each token's decay applies to the step to the previous token.
  gradient({ inputs: [u, decay], outputs: [s], upstream: [ds], wanted }) {
    const du = reverse(diagonalScan(reverse(ds!, 1), delayed(reverse(decay!, 1))), 1);
    return [wanted[0] ? du : undefined, wanted[1] ? times(du, minus(s!, u!)) : undefined];
  },
  cost: ([u]) => ({ flops: mul(2, volume(u!.shape)) }),
  reference([u, decay]) {
    const [, tokens, channels] = u!.shape as [number, number, number];
    const s = ndarray(u!.shape);
    for (let i = 0; i < s.data.length; i++) {
      const first = Math.floor(i / channels) % tokens === 0;
      s.data[i] = u!.data[i]! + (first ? 0 : Math.exp(decay!.data[i]!) * s.data[i - channels]!);
    }
    return [s];
  },
};

/** Each token gets the previous token's value; the first gets an arbitrary value, because no state precedes it. */
function delayed(x: Tensor): Tensor {
  const tokens = Number(x.shape[1]);
  if (tokens === 1) return x;
  const [others, last] = split(x, 1, [tokens - 1, 1]);
  return concat([last!, others!], 1);
}

/**
 * s_t = e^decay_t · s_(t−1) + u_t for each channel, from zeros: u and decay [batch, tokens, channels], with sizes as
 * numbers → all states s. For training: all states of a batch are in memory.
 * @throws ShapeError
 */
export const diagonalScan = (u: Tensor, decay: Tensor): Tensor => apply1(diagonalScanOp, [u, decay], null);
