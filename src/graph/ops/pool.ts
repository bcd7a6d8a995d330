import { mul, sameShape, volume } from "../dim.ts";
import { mapNd, ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

/** The token vectors that represent a text: their mean, the first vector (CLS), or the last vector. */
export const poolings = ["mean", "cls", "last"] as const;
export type Pooling = (typeof poolings)[number];

const poolOp: Op<{ pooling: Pooling }> = {
  name: "pool",
  operands: ["x", "mask"],
  infer([x, mask]) {
    if (x!.shape.length !== 3) throw new ShapeError("pool", "x", showType(x!), "[batch, tokens, width]");
    if (mask!.dtype !== "i32" || !sameShape(mask!.shape, x!.shape.slice(0, 2)))
      throw new ShapeError("pool", "mask", showType(mask!), `i32[${x!.shape.slice(0, 2).join(", ")}]`);
    return [{ dtype: "f32", shape: [x!.shape[0]!, x!.shape[2]!] }];
  },
  onnx(emit, { inputs: [x, mask], outputs }, { pooling }) {
    const count = (tensor: string, keep: 0 | 1) =>
      emit.value("ReduceSum", [tensor, emit.ints([1])], { keepdims: { int: keep } });
    switch (pooling) {
      case "cls":
        emit.node("Gather", [x!, emit.ints([0], [])], outputs, { axis: { int: 1 } });
        break;
      case "last": {
        const last = emit.value("Sub", [count(emit.value("Cast", [mask!], { to: { int: 7 } }), 1), emit.ints([1])]);
        emit.node("GatherND", [x!, last], outputs, { batch_dims: { int: 1 } });
        break;
      }
      case "mean": {
        const weights = emit.value("Cast", [mask!], { to: { int: 1 } });
        const total = emit.value("MatMul", [emit.value("Unsqueeze", [weights, emit.ints([1])]), x!]);
        const flat = emit.value("Squeeze", [total, emit.ints([1])]);
        emit.node("Div", [flat, count(weights, 1)], outputs);
      }
    }
  },
  gradient: ({ inputs: [, mask], upstream: [dy], attrs }) => [apply1(poolBackwardOp, [dy!, mask!], attrs)],
  cost: ([x], _outputs, { pooling }) => (pooling === "mean" ? { flops: mul(2, volume(x!.shape)) } : {}),
  reference([x, mask], { pooling }) {
    const [batch, tokens, width] = x!.shape as [number, number, number];
    const y = ndarray([batch, width]);
    for (let b = 0; b < batch; b++) {
      const n = mask!.data.subarray(b * tokens, (b + 1) * tokens).reduce((a, v) => a + v, 0);
      const [from, to] = { mean: [0, n], cls: [0, 1], last: [n - 1, n] }[pooling] as [number, number];
      for (let t = from; t < to; t++)
        for (let i = 0; i < width; i++) y.data[b * width + i]! += x!.data[(b * tokens + t) * width + i]! / (to - from);
    }
    return [y];
  },
};

/** One vector per text: x [batch, tokens, width], mask i32 [batch, tokens] with padding (0) after the tokens → [batch, width]. */
export const pool = (x: Tensor, mask: Tensor, pooling: Pooling): Tensor => apply1(poolOp, [x, mask], { pooling });

const poolBackwardOp: Op<{ pooling: Pooling }> = {
  name: "poolBackward",
  operands: ["dy", "mask"],
  infer([dy, mask]) {
    if (dy!.shape.length !== 2) throw new ShapeError("poolBackward", "dy", showType(dy!), "[batch, width]");
    return [{ dtype: "f32", shape: [...mask!.shape, dy!.shape[1]!] }];
  },
  // Multiplies dy by each token's share in its text's vector.
  onnx(emit, { inputs: [dy, mask], outputs }, { pooling }) {
    const float = (x: string) => emit.value("Cast", [x], { to: { int: 1 } });
    const count = emit.value("ReduceSum", [mask!, emit.ints([1])], { keepdims: { int: 1 } });
    const only = (place: string) => {
      const tokens = emit.value("Gather", [emit.value("Shape", [mask!]), emit.ints([1], [])]);
      const places = emit.value("Range", [emit.ints([0], []), tokens, emit.ints([1], [])]);
      return float(emit.value("Equal", [places, place]));
    };
    const long = emit.value("Cast", [count], { to: { int: 7 } });
    const parts = {
      mean: () => emit.value("Div", [float(mask!), float(count)]),
      cls: () => only(emit.value("Sub", [long, long])),
      last: () => only(emit.value("Sub", [long, emit.ints([1])])),
    }[pooling]();
    emit.node(
      "Mul",
      [emit.value("Unsqueeze", [dy!, emit.ints([1])]), emit.value("Unsqueeze", [parts, emit.ints([2])])],
      outputs,
    );
  },
  reference([dy, mask], { pooling }) {
    const [batch, tokens] = mask!.shape as [number, number];
    const width = dy!.shape[1]!;
    const dx = ndarray([batch, tokens, width]);
    for (let b = 0; b < batch; b++) {
      const n = mask!.data.subarray(b * tokens, (b + 1) * tokens).reduce((a, v) => a + v, 0);
      const [from, to] = { mean: [0, n], cls: [0, 1], last: [n - 1, n] }[pooling] as [number, number];
      for (let t = from; t < to; t++)
        for (let i = 0; i < width; i++) dx.data[(b * tokens + t) * width + i] = dy!.data[b * width + i]! / (to - from);
    }
    return [dx];
  },
};

/** Shorter vectors are divided by this length, as in PyTorch's `normalize`. */
const SHORTEST = 1e-12;

const unitOp: Op<null> = {
  name: "unit",
  operands: ["x"],
  infer: ([x]) => [x!],
  onnx(emit, { inputs: [x], outputs }) {
    const length = emit.value("ReduceL2", [x!, emit.ints([-1])], { keepdims: { int: 1 } });
    emit.node("Div", [x!, emit.value("Max", [length, emit.floats([SHORTEST], [])])], outputs);
  },
  gradient: ({ inputs: [x], outputs: [y], upstream: [dy] }) => [apply1(unitBackwardOp, [x!, y!, dy!], null)],
  reference([x]) {
    const width = x!.shape.at(-1)!;
    const length = (row: number) =>
      Math.sqrt(x!.data.subarray(row * width, (row + 1) * width).reduce((sum, v) => sum + v * v, 0));
    return [mapNd(x!, (v, i) => v / Math.max(length(Math.floor(i / width)), SHORTEST))];
  },
};

/** Each vector of the last axis divided by its length. */
export const unit = (x: Tensor): Tensor => apply1(unitOp, [x], null);

const unitBackwardOp: Op<null> = {
  name: "unitBackward",
  operands: ["x", "y", "dy"],
  infer([x, , dy]) {
    if (!sameShape(dy!.shape, x!.shape)) throw new ShapeError("unitBackward", "dy", showType(dy!), showType(x!));
    return [x!];
  },
  // The component orthogonal to y, divided by the length.
  onnx(emit, { inputs: [x, y, dy], outputs }) {
    const last = emit.ints([-1]);
    const along = emit.value("ReduceSum", [emit.value("Mul", [y!, dy!]), last], { keepdims: { int: 1 } });
    const across = emit.value("Sub", [dy!, emit.value("Mul", [y!, along])]);
    const length = emit.value("ReduceL2", [x!, last], { keepdims: { int: 1 } });
    emit.node("Div", [across, emit.value("Max", [length, emit.floats([SHORTEST], [])])], outputs);
  },
  reference([x, , dy]) {
    const width = x!.shape.at(-1)!;
    const dx = ndarray(x!.shape);
    for (let row = 0; row < x!.data.length; row += width) {
      const values = x!.data.subarray(row, row + width);
      const square = values.reduce((sum, v) => sum + v * v, 0);
      const along = values.reduce((sum, v, i) => sum + v * dy!.data[row + i]!, 0) / square;
      for (let i = 0; i < width; i++)
        dx.data[row + i] = (dy!.data[row + i]! - values[i]! * along) / Math.max(Math.sqrt(square), SHORTEST);
    }
    return [dx];
  },
};
