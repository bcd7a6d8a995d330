import { sameShape, showShape } from "../dim.ts";
import { around, ndarray } from "../ndarray.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

const logLikelihoodsOp: Op<null> = {
  name: "logLikelihoods",
  operands: ["logits", "targets"],
  infer([logits, targets]) {
    const rows = logits!.shape.slice(0, -1);
    if (targets!.dtype !== "i64" || !sameShape(targets!.shape.slice(0, -1), rows))
      throw new ShapeError("logLikelihoods", "targets", showType(targets!), `i64, ${showShape(rows)} plus one axis`);
    return [
      { dtype: "f32", shape: targets!.shape },
      { dtype: "f32", shape: rows },
    ];
  },
  onnx(emit, { inputs: [logits, targets], outputs: [nats, best] }) {
    const all = emit.value("LogSoftmax", [logits!], { axis: { int: -1 } });
    emit.node("GatherElements", [all, targets!], [nats!], { axis: { int: -1 } });
    emit.node("ReduceMax", [all, emit.ints([-1])], [best!], { keepdims: { int: 0 } });
  },
  trainedAs: "crossEntropy",
  reference([logits, targets]) {
    const { outer, size } = around(logits!.shape, logits!.shape.length - 1);
    const each = targets!.shape.at(-1)!;
    const [nats, best] = [ndarray(targets!.shape), ndarray(logits!.shape.slice(0, -1))];
    for (let row = 0; row < outer; row++) {
      const values = logits!.data.subarray(row * size, (row + 1) * size);
      const top = values.reduce((a, b) => Math.max(a, b));
      const norm = top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0));
      best.data[row] = top - norm;
      for (let i = row * each; i < (row + 1) * each; i++) nats.data[i] = values[targets!.data[i]!]! - norm;
    }
    return [nats, best];
  },
};

/**
 * logits [..., vocabulary], targets i64 [..., n] → log-probabilities in nats: of each row's targets [..., n], and of its
 * likeliest token [...].
 */
export function logLikelihoods(logits: Tensor, targets: Tensor): { nats: Tensor; best: Tensor } {
  const [nats, best] = apply(logLikelihoodsOp, [logits, targets], null);
  return { nats: nats!, best: best! };
}
