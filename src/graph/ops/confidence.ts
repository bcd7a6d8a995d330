import { around, ndarray } from "../ndarray.ts";
import { apply1, type Op } from "../op.ts";
import type { Tensor } from "../tensor.ts";

const confidenceOp: Op<null> = {
  name: "confidence",
  operands: ["logits"],
  infer: ([logits]) => [{ dtype: "f32", shape: [...logits!.shape.slice(0, -1), 3] }],
  onnx(emit, { inputs: [logits], outputs, types: [type] }) {
    const nats = emit.value("LogSoftmax", [logits!], { axis: { int: -1 } });
    const p = emit.value("Exp", [nats]);
    const [two, which] = [emit.temp(), emit.temp()];
    emit.node("TopK", [p, emit.ints([2])], [two, which], { axis: { int: -1 } });
    const [first, second] = [emit.temp(), emit.temp()];
    emit.node("Split", [two], [first, second], { axis: { int: -1 }, num_outputs: { int: 2 } });
    const margin = emit.value("Sub", [first, second]);
    const entropy = emit.value("ReduceSum", [emit.value("Mul", [p, nats]), emit.ints([-1])], { keepdims: { int: 1 } });
    const scale = emit.floats([1 / Math.log(Number(type!.shape.at(-1)))]);
    const certainty = emit.value("Add", [emit.value("Mul", [entropy, scale]), emit.floats([1])]);
    emit.node("Concat", [first, margin, certainty], outputs, { axis: { int: -1 } });
  },
  reference([logits]) {
    const { outer, size } = around(logits!.shape, logits!.shape.length - 1);
    const y = ndarray([...logits!.shape.slice(0, -1), 3]);
    for (let row = 0; row < outer; row++) {
      const values = logits!.data.subarray(row * size, (row + 1) * size);
      const top = values.reduce((a, b) => Math.max(a, b));
      const norm = values.reduce((sum, v) => sum + Math.exp(v - top), 0);
      const p = Array.from(values, (v) => Math.exp(v - top) / norm).sort((a, b) => b - a);
      const entropy = p.reduce((sum, each) => sum - (each > 0 ? each * Math.log(each) : 0), 0);
      y.data.set([p[0]!, p[0]! - p[1]!, 1 - entropy / Math.log(size)], 3 * row);
    }
    return [y];
  },
};

/**
 * The confidence of logits [..., vocabulary], [..., 3]: the greatest probability p₁, the margin p₁ − p₂, and 1 − H/ln V
 * with the entropy H of the distribution (CALM 2207.07061, section 3.5; the entropy as a share of its maximum).
 */
export const confidence = (logits: Tensor): Tensor => apply1(confidenceOp, [logits], null);
