import { add, type Dim, mul } from "../dim.ts";
import { ndarray } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import { sizeInBytes, type Tensor, type TensorType } from "../tensor.ts";

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

/** The flat batch indices of the tokens in mask i32 [batch, tokens] (0: padding): i64 [kept]. */
export const tokenPlaces = (mask: Tensor, count: Dim): Tensor => apply1(tokenPlacesOp, [mask], { kept: count });

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
 * For each position of mask i32 [batch, tokens], the index of its kept row; padding gets the row of the token before
 * it: i64 [batch, tokens].
 */
export const tokenRows = (mask: Tensor): Tensor => apply1(tokenRowsOp, [mask], null);

/** The places of a batch's tokens: `mask` i32 [batch, tokens], its `tokenPlaces` and its `tokenRows`. */
export interface TokenPlaces {
  readonly mask: Tensor;
  readonly places: Tensor;
  readonly rows: Tensor;
}

const inOrder = ({ mask, places, rows }: TokenPlaces): Tensor[] => [mask, places, rows];
const placesOf = ([, mask, places, rows]: readonly Tensor[]): TokenPlaces => ({
  ...{ mask: mask!, places: places!, rows: rows! },
});

const operands = ["x", "mask", "places", "rows"];

/** Bytes read (indices and rows) and written (rows). */
const moved = (indices: TensorType, rows: TensorType) => ({
  read: add(sizeInBytes(indices), sizeInBytes(rows)),
  written: sizeInBytes(rows),
});

const unpadOp: Op<null> = {
  name: "unpad",
  operands,
  infer: ([x, , places]) => [{ dtype: x!.dtype, shape: [places!.shape[0]!, x!.shape[2]!] }],
  onnx(emit, { inputs: [x, , places], outputs, types }) {
    const flat = emit.value("Reshape", [x!, emit.ints([-1, Number(types[0]!.shape[2])])]);
    emit.node("Gather", [flat, places!], outputs);
  },
  cost: ([, , places], [y]) => moved(places!, y!),
  gradient: ({ inputs, upstream: [dy] }) => [apply1(padOp, [dy!, ...inOrder(placesOf(inputs))], { clear: true })],
  reference([x, , places]) {
    const width = x!.shape[2]!;
    const rows = [...places!.data].flatMap((at) => [...x!.data.subarray(at * width, (at + 1) * width)]);
    return [ndarray([places!.data.length, width], rows)];
  },
};

/** x [batch, tokens, width] without its padding: [kept, width]. */
export const unpad = (x: Tensor, places: TokenPlaces): Tensor => apply1(unpadOp, [x, ...inOrder(places)], null);

const padOp: Op<{ clear: boolean }> = {
  name: "pad",
  operands,
  infer: ([x, mask]) => [{ dtype: x!.dtype, shape: [...mask!.shape, x!.shape[1]!] }],
  onnx(emit, { inputs: [x, mask, , rows], outputs }, { clear }) {
    if (!clear) return emit.node("Gather", [x!, rows!], outputs);
    const column = emit.value("Unsqueeze", [emit.value("Cast", [mask!], { to: { int: 1 } }), emit.ints([-1])]);
    emit.node("Mul", [emit.value("Gather", [x!, rows!]), column], outputs);
  },
  cost: ([, , , rows], [y], { clear }) => ({ ...moved(rows!, y!), flops: clear ? mul(1, ...y!.shape) : 0 }),
  // Nothing may depend on padding, so its gradient is zero, and a gather can replace a scatter, which is many times
  // slower.
  gradient: ({ inputs, upstream: [dy] }) => [unpad(dy!, placesOf(inputs))],
  reference([x, mask, , rows], { clear }) {
    const width = x!.shape[1]!;
    const y = ndarray([...mask!.shape, width]);
    for (const [place, row] of rows!.data.entries())
      if (!clear || mask!.data[place]) y.data.set(x!.data.subarray(row * width, (row + 1) * width), place * width);
    return [y];
  },
};

/** x [kept, width] as [batch, tokens, width]. The rows of padding are undefined; nothing may depend on them. */
export const pad = (x: Tensor, places: TokenPlaces): Tensor => apply1(padOp, [x, ...inOrder(places)], { clear: false });
