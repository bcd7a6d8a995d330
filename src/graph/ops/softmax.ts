import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1 } from "../op.ts";
import type { Tensor } from "../tensor.ts";

const softmaxOp: Op<null> = {
  name: "softmax",
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs, outputs }) => emit.node("Softmax", inputs, outputs, { axis: { int: -1 } }),
  reference([x]) {
    const width = x!.shape.at(-1)!;
    const y = ndarray(x!.shape);
    for (let row = 0; row < x!.data.length; row += width) {
      const values = x!.data.subarray(row, row + width);
      const top = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const exps = values.map((v) => Math.exp(v - top));
      const norm = exps.reduce((a, b) => a + b, 0);
      y.data.set(
        exps.map((e) => e / norm),
        row,
      );
    }
    return [y];
  },
};

/** exp(x) over its sum, along the last axis. */
export const softmax = (x: Tensor): Tensor => apply1(softmaxOp, [x], null);
