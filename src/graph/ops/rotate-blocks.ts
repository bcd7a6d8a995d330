import { mul, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

const rotateBlocksOp: Op<null> = {
  name: "rotateBlocks",
  operands: ["x", "block"],
  infer([x, block]) {
    const [n, width] = [Number(block!.shape[0]), Number(x!.shape.at(-1))];
    if (block!.shape.length !== 2 || block!.shape[1] !== n)
      throw new ShapeError("rotateBlocks", "block", showType(block!), "a square matrix");
    if (width % n !== 0) throw new ShapeError("rotateBlocks", "x", showType(x!), `[..., a multiple of ${n}]`);
    return [x!];
  },
  onnx(emit, { inputs: [x, block], outputs, types }) {
    const [n, width] = [Number(types[1]!.shape[0]), Number(types[0]!.shape.at(-1))];
    const outer = types[0]!.shape.slice(1).map(() => 0);
    const blocks = emit.value("Reshape", [x!, emit.ints([...outer, width / n, n])]);
    emit.node("Reshape", [emit.value("MatMul", [blocks, block!]), emit.ints([...outer, width])], outputs);
  },
  // Dense runs multiply without the rotation.
  cost([x, block]) {
    const flops = mul(2, volume(x!.shape), block!.shape[0]!);
    return { flops, overhead: flops };
  },
  reference([x, block]) {
    const n = block!.shape[0]!;
    const y = ndarray(x!.shape);
    for (let at = 0; at < x!.data.length; at++)
      for (let j = 0; j < n; j++) y.data[at - (at % n) + j]! += x!.data[at]! * block!.data[(at % n) * n + j]!;
    return [y];
  },
};

/** x [..., K] in blocks of n along its last axis, each times one matrix [n, n]: [..., K]. */
export const rotateBlocks = (x: Tensor, block: Tensor): Tensor => apply1(rotateBlocksOp, [x, block], null);
