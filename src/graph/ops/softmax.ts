import { sameShape } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

const softmaxOp: Op<null> = {
  name: "softmax",
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx: (emit, { inputs, outputs }) => emit.node("Softmax", inputs, outputs, { axis: { int: -1 } }),
  gradient: ({ outputs: [y], upstream: [dy] }) => [softmaxBackward(y!, dy!)],
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

const softmaxBackwardOp: Op<null> = {
  name: "softmaxBackward",
  operands: ["y", "dy"],
  infer([y, dy]) {
    if (!sameShape(y!.shape, dy!.shape)) throw new ShapeError("softmaxBackward", "dy", showType(dy!), showType(y!));
    return [y!];
  },
  onnx(emit, { inputs: [y, dy], outputs }) {
    const products = emit.value("Mul", [y!, dy!]);
    const mean = emit.value("ReduceSum", [products, emit.ints([-1])], { keepdims: { int: 1 } });
    emit.node("Sub", [products, emit.value("Mul", [y!, mean])], outputs);
  },
  reference([y, dy]) {
    const width = y!.shape.at(-1)!;
    const dx = ndarray(y!.shape);
    for (let row = 0; row < y!.data.length; row += width) {
      let mean = 0;
      for (let i = row; i < row + width; i++) mean += y!.data[i]! * dy!.data[i]!;
      for (let i = row; i < row + width; i++) dx.data[i] = y!.data[i]! * (dy!.data[i]! - mean);
    }
    return [dx];
  },
};

/** Gradient of x, given dy, the gradient of y = softmax(x). */
const softmaxBackward = (y: Tensor, dy: Tensor): Tensor => apply1(softmaxBackwardOp, [y, dy], null);
