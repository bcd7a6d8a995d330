import type { Dim } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";

function expectMask(op: string, mask: TensorType): void {
  if (mask.dtype !== "i32" || mask.shape.length !== 2)
    throw new ShapeError(op, "mask", showType(mask), "i32[batch, tokens]");
}

const tokenPlacesOp: Op<{ kept: Dim }> = {
  name: "tokenPlaces",
  operands: ["mask"],
  infer([mask], { kept }) {
    expectMask("tokenPlaces", mask!);
    return [{ dtype: "i64", shape: [kept] }];
  },
  onnx(emit, { inputs: [mask], outputs }) {
    const flat = emit.value("Reshape", [mask!, emit.ints([-1])]);
    emit.node("Reshape", [emit.value("NonZero", [flat]), emit.ints([-1])], outputs);
  },
  gradient: "none",
  reference([mask]) {
    const places = [...mask!.data.keys()].filter((i) => mask!.data[i] !== 0);
    return [ndarray([places.length], places)];
  },
};

/** The flat indices in the batch of the tokens of mask i32 [batch, tokens] (0: padding): i64 [kept]. */
export const tokenPlaces = (mask: Tensor, kept: Dim): Tensor => apply1(tokenPlacesOp, [mask], { kept });

const tokenRowsOp: Op<null> = {
  name: "tokenRows",
  operands: ["mask"],
  infer([mask]) {
    expectMask("tokenRows", mask!);
    return [{ dtype: "i64", shape: mask!.shape }];
  },
  onnx(emit, { inputs: [mask], outputs }) {
    const flat = emit.value("Reshape", [mask!, emit.ints([-1])]);
    const upTo = emit.value("CumSum", [emit.value("Cast", [flat], { to: { int: 7 } }), emit.ints([0], [])]);
    const rows = emit.value("Max", [emit.value("Sub", [upTo, emit.ints([1], [])]), emit.ints([0], [])]);
    emit.node("Reshape", [rows, emit.value("Shape", [mask!])], outputs);
  },
  gradient: "none",
  reference([mask]) {
    const rows = ndarray(mask!.shape);
    let upTo = 0;
    for (const [place, token] of mask!.data.entries()) {
      upTo += token;
      rows.data[place] = Math.max(0, upTo - 1);
    }
    return [rows];
  },
};

/**
 * For each place of mask i32 [batch, tokens], the index of its kept row; padding gets that of the token before it: i64
 * [batch, tokens].
 */
export const tokenRows = (mask: Tensor): Tensor => apply1(tokenRowsOp, [mask], null);
