import { mapNd, type NdArray, ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";

/*
 * Noise without a state: the value at [row, column] is the 32-bit product of a random integer for its row and a random
 * odd one for its column. Any two values are independent if the rows' integers are uniform. Rows of 0 have no noise.
 */

const INT32 = 6;
const FLOAT32 = 1;
/** Slightly below 2³², so that half of it fits an int32 and a float32. */
const RANGE = 2 ** 32 - 512;

function checkPlaces(op: string, rows: TensorType, columns: TensorType): void {
  if (rows.dtype !== "i32") throw new ShapeError(op, "rows", showType(rows), "i32");
  if (columns.dtype !== "f32" || columns.shape.length !== 1)
    throw new ShapeError(op, "columns", showType(columns), "f32[n]");
}

const products = (emit: Emitter, rows: string, columns: string): string =>
  emit.value("Mul", [
    emit.value("Unsqueeze", [rows, emit.ints([-1])]),
    emit.value("Cast", [columns], { to: { int: INT32 } }),
  ]);

const productAt = (rows: NdArray, columns: NdArray, at: number): number => {
  const width = columns.data.length;
  return Math.imul(rows.data[Math.floor(at / width)]!, columns.data[at % width]!);
};

const uniformOp: Op<null> = {
  name: "uniform",
  operands: ["rows", "columns"],
  infer([rows, columns]) {
    checkPlaces("uniform", rows!, columns!);
    return [{ dtype: "f32", shape: [...rows!.shape, columns!.shape[0]!] }];
  },
  onnx(emit, { inputs: [rows, columns], outputs }) {
    const noise = emit.value("Cast", [products(emit, rows!, columns!)], { to: { int: FLOAT32 } });
    emit.node("Mul", [noise, emit.floats([2 ** -31], [])], outputs);
  },
  gradient: "none",
  reference([rows, columns]) {
    const noise = ndarray([...rows!.shape, columns!.shape[0]!]);
    return [mapNd(noise, (_, at) => productAt(rows!, columns!, at) / 2 ** 31)];
  },
};

/** Uniform noise from −1 to 1, f32 [rows..., n], by row numbers i32 [rows...] and odd column numbers f32 [n] < 2²⁴. */
export const uniform = (rows: Tensor, columns: Tensor): Tensor => apply1(uniformOp, [rows, columns], null);

const dropoutOp: Op<null> = {
  name: "dropout",
  operands: ["x", "rows", "columns", "keep"],
  infer([x, rows, columns, keep]) {
    checkPlaces("dropout", rows!, columns!);
    const shape = [...rows!.shape, columns!.shape[0]!];
    if (x!.shape.join() !== shape.join())
      throw new ShapeError("dropout", "x", showType(x!), `f32[${shape.join(", ")}]`);
    if (keep!.dtype !== "f32" || keep!.shape.length > 0)
      throw new ShapeError("dropout", "keep", showType(keep!), "f32[]");
    return [x!];
  },
  onnx(emit, { inputs: [x, rows, columns, keep], outputs }) {
    const share = emit.value("Sub", [keep!, emit.floats([0.5], [])]);
    const limit = emit.value("Mul", [share, emit.floats([RANGE], [])]);
    const mask = emit.value("Less", [
      products(emit, rows!, columns!),
      emit.value("Cast", [limit], { to: { int: INT32 } }),
    ]);
    emit.node("Where", [mask, emit.value("Div", [x!, keep!]), emit.floats([0], [])], outputs);
  },
  gradient: ({ inputs: [, rows, columns, keep], upstream: [dy] }) => [dropout(dy!, rows!, columns!, keep!)],
  reference([x, rows, columns, keep]) {
    const [share] = keep!.data;
    const limit = Math.trunc((share! - 0.5) * RANGE);
    return [mapNd(x!, (value, at) => (productAt(rows!, columns!, at) < limit ? value / share! : 0))];
  },
};

/**
 * Dropout: a random share `keep` (f32 []) of the elements of x [rows..., n] is divided by `keep`, and the others become
 * 0; rows and columns as for `uniform`. Rows whose number in `rows` is 0 do not change if `keep` is 1.
 */
export const dropout = (x: Tensor, rows: Tensor, columns: Tensor, keep: Tensor): Tensor =>
  apply1(dropoutOp, [x, rows, columns, keep], null);
