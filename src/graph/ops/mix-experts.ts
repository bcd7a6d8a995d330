import { sameShape, volume } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { times, timesRows } from "./elementwise.ts";
import { spread, sum } from "./reduce.ts";

const mixExpertsOp: Op<null> = {
  name: "mixExperts",
  operands: ["y", "gates"],
  infer([y, gates]) {
    if (!sameShape(y!.shape.slice(0, -1), gates!.shape))
      throw new ShapeError("mixExperts", "gates", showType(gates!), `[${y!.shape.slice(0, -1).join(", ")}]`);
    return [{ dtype: "f32", shape: y!.shape.toSpliced(-2, 1) }];
  },
  onnx(emit, { inputs: [y, gates], outputs }) {
    const weighted = emit.value("Mul", [y!, emit.value("Unsqueeze", [gates!, emit.ints([-1])])]);
    emit.node("ReduceSum", [weighted, emit.ints([-2])], outputs, { keepdims: { int: 0 } });
  },
  cost: ([, gates]) => ({ experts: volume(gates!.shape) }),
  gradient({ inputs: [y, gates], upstream: [dz], wanted }) {
    const last = y!.shape.length - 1;
    const each = spread(dz!, last - 1, y!);
    return [wanted[0] ? timesRows(each, gates!) : undefined, wanted[1] ? sum(times(each, y!), last) : undefined];
  },
  reference([y, gates]) {
    const [k, width] = y!.shape.slice(-2) as [number, number];
    const z = ndarray(y!.shape.toSpliced(-2, 1));
    for (const [slot, gate] of gates!.data.entries())
      for (let i = 0; i < width; i++) z.data[Math.floor(slot / k) * width + i]! += gate * y!.data[slot * width + i]!;
    return [z];
  },
};

/** The experts' outputs y [..., k, width], weighted by their gates [..., k] and summed: [..., width]. */
export const mixExperts = (y: Tensor, gates: Tensor): Tensor => apply1(mixExpertsOp, [y, gates], null);
