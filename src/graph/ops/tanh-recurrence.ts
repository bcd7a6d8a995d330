import { mul, sameShape } from "../dim.ts";
import type { Node } from "../graph.ts";
import { ndarray } from "../ndarray.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

const tanhRecurrenceOp: Op<null> = {
  name: "tanhRecurrence",
  operands: ["u", "weight", "state"],
  trainedAs: "tanh, one token after another,",
  infer([u, weight, state]) {
    const [batch, , size] = u!.shape;
    if (u!.shape.length !== 3) throw new ShapeError("tanhRecurrence", "u", showType(u!), "[batch, tokens, size]");
    if (!sameShape(weight!.shape, [size!, size!]))
      throw new ShapeError("tanhRecurrence", "weight", showType(weight!), `[${size}, ${size}]`);
    if (!sameShape(state!.shape, [batch!, size!]))
      throw new ShapeError("tanhRecurrence", "state", showType(state!), `[${batch}, ${size}]`);
    return [u!, state!];
  },
  // The kernel also multiplies its input by a matrix; here it is the identity.
  onnx(emit, { inputs: [u, weight, state], outputs, types }) {
    const size = Number(types[0]!.shape[2]);
    const one = Float32Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0));
    const rows = emit.value("Transpose", [u!], { perm: { ints: [1, 0, 2] } });
    const [own, start] = [weight!, state!].map((t) => emit.value("Unsqueeze", [t, emit.ints([0])])) as [string, string];
    const [all, last] = [emit.temp(), emit.temp()];
    const identity = emit.table(`identity_${size}`, one, [1, size, size]);
    emit.node("RNN", [rows, identity, own, "", "", start], [all, last], { hidden_size: { int: size } });
    emit.node("Transpose", [emit.value("Squeeze", [all, emit.ints([1])])], [outputs[0]!], {
      perm: { ints: [1, 0, 2] },
    });
    emit.node("Squeeze", [last, emit.ints([0])], [outputs[1]!]);
  },
  // Counts both products that the kernel computes.
  cost: ([u]) => ({ flops: mul(4, u!.shape[0]!, u!.shape[1]!, u!.shape[2]!, u!.shape[2]!) }),
  reference([u, weight, state]) {
    const [batch, tokens, size] = u!.shape as [number, number, number];
    const [h, next] = [ndarray(u!.shape), ndarray(state!.shape, state!.data)];
    for (let b = 0; b < batch; b++)
      for (let t = 0; t < tokens; t++) {
        const before = next.data.slice(b * size, (b + 1) * size);
        for (let i = 0; i < size; i++) {
          const own = before.reduce((sum, value, j) => sum + weight!.data[i * size + j]! * value, 0);
          const at = (b * tokens + t) * size + i;
          h.data[at] = next.data[b * size + i] = Math.tanh(u!.data[at]! + own);
        }
      }
    return [h, next];
  },
};

/**
 * The recurrence of a simple recurrent network (Elman 1990; PyTorch's nn.RNN): h_t = tanh(u_t + W h_(t−1)) with u
 * [batch, tokens, size], W = `weight` [size, size], one row per output, and `state` [batch, size], the h before the
 * first token → all h in the shape of u, and the last h.
 * @throws ShapeError
 */
export function tanhRecurrence(
  u: Tensor,
  weight: Tensor,
  state: Tensor,
): { readonly h: Tensor; readonly state: Tensor } {
  const [h, next] = apply(tanhRecurrenceOp, [u, weight, state], null);
  return { h: h!, state: next! };
}

/** True if operand `index` of a node is the matrix W of a tanh recurrence. */
export const isRecurrence = ({ op }: Node, index: number): boolean =>
  op === (tanhRecurrenceOp as Op<unknown>) && tanhRecurrenceOp.operands[index] === "weight";
