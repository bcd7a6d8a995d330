import { sameShape, showShape } from "../dim.ts";
import { around, ndarray } from "../ndarray.ts";
import { apply, apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";

function checkTargets(op: string, logits: TensorType, targets: TensorType): void {
  const rows = logits.shape.slice(0, -1);
  if (targets.dtype !== "i64" || !sameShape(targets.shape, rows))
    throw new ShapeError(op, "targets", showType(targets), `i64${showShape(rows)}`);
}

const LAST = { axis: { int: -1 } };

const crossEntropyOp: Op<null> = {
  name: "crossEntropy",
  operands: ["logits", "targets"],
  infer([logits, targets]) {
    checkTargets("crossEntropy", logits!, targets!);
    return [{ dtype: "f32", shape: targets!.shape }, logits!];
  },
  // The log-sum-exp is the greatest logit minus the log of its probability, which never underflows.
  onnx(emit, { inputs: [logits, targets], outputs: [nats, probabilities] }) {
    const last = emit.ints([-1]);
    const greatest = (x: string) => emit.value("ReduceMax", [x, last], { keepdims: { int: 1 } });
    emit.node("Softmax", [logits!], [probabilities!], LAST);
    const norm = emit.value("Sub", [greatest(logits!), emit.value("Log", [greatest(probabilities!)])]);
    const own = emit.value("GatherElements", [logits!, emit.value("Unsqueeze", [targets!, last])], LAST);
    emit.node("Squeeze", [emit.value("Sub", [norm, own]), last], [nats!]);
  },
  gradient: ({ inputs: [, targets], outputs: [, probabilities], upstream: [dnats] }) => [
    crossEntropyBackward(probabilities!, targets!, dnats!),
  ],
  reference([logits, targets]) {
    const { outer, size } = around(logits!.shape, logits!.shape.length - 1);
    const [nats, probabilities] = [ndarray(targets!.shape), ndarray(logits!.shape)];
    for (let row = 0; row < outer; row++) {
      const values = logits!.data.subarray(row * size, (row + 1) * size);
      const top = values.reduce((a, b) => Math.max(a, b));
      const norm = top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0));
      nats.data[row] = norm - values[targets!.data[row]!]!;
      probabilities.data.set(
        values.map((v) => Math.exp(v - norm)),
        row * size,
      );
    }
    return [nats, probabilities];
  },
};

/** The negative log-likelihood of each row's target, in nats: logits [..., vocabulary], targets i64 [...] → [...]. */
export const crossEntropy = (logits: Tensor, targets: Tensor): Tensor =>
  apply(crossEntropyOp, [logits, targets], null)[0]!;

const backwardOp: Op<null> = {
  name: "crossEntropyBackward",
  operands: ["probabilities", "targets", "dnats"],
  infer([probabilities, targets, dnats]) {
    checkTargets("crossEntropyBackward", probabilities!, targets!);
    if (!sameShape(dnats!.shape, targets!.shape))
      throw new ShapeError("crossEntropyBackward", "dnats", showType(dnats!), showShape(targets!.shape));
    return [probabilities!];
  },
  onnx(emit, { inputs: [probabilities, targets, dnats], outputs }) {
    const column = (x: string) => emit.value("Unsqueeze", [x, emit.ints([-1])]);
    const weight = column(dnats!);
    const all = emit.value("Mul", [probabilities!, weight]);
    const own = emit.value("Neg", [weight]);
    emit.node("ScatterElements", [all, column(targets!), own], outputs, { ...LAST, reduction: { string: "add" } });
  },
  reference([probabilities, targets, dnats]) {
    const width = probabilities!.shape.at(-1)!;
    const y = ndarray(probabilities!.shape);
    for (const [i, p] of probabilities!.data.entries()) {
      const row = Math.floor(i / width);
      y.data[i] = (p - (targets!.data[row] === i % width ? 1 : 0)) * dnats!.data[row]!;
    }
    return [y];
  },
};

/** Gradient of the logits from their softmax, given dnats [...], the gradient of `crossEntropy`. */
const crossEntropyBackward = (probabilities: Tensor, targets: Tensor, dnats: Tensor): Tensor =>
  apply1(backwardOp, [probabilities, targets, dnats], null);
