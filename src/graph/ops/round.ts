import { mapNd } from "../ndarray.ts";
import { apply1, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";

/** Floating-point formats of 16 bits. */
export type HalfFormat = "bf16" | "fp16";

/** The significand's bits, including the leading 1; a normal number's smallest exponent; the largest number. */
const formats: Readonly<Record<HalfFormat, { bits: number; least: number; most: number; onnx: number }>> = {
  bf16: { bits: 8, least: -126, most: (2 - 2 ** -7) * 2 ** 127, onnx: 16 },
  fp16: { bits: 11, least: -14, most: 65_504, onnx: 10 },
};
const FLOAT32 = 1;

/** The nearest number of a format, ties to even; infinite beyond the format's largest number. */
export function roundTo(value: number, format: HalfFormat): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  const { bits, least, most } = formats[format];
  const exponent = Math.max(least, Math.floor(Math.log2(Math.abs(value))));
  const unit = 2 ** (exponent - bits + 1);
  const units = value / unit;
  const floor = Math.floor(units);
  const rest = units - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  const rounded = (floor + Number(up)) * unit;
  return Math.abs(rounded) > most ? Math.sign(value) * Number.POSITIVE_INFINITY : rounded;
}

const roundOp: Op<{ format: HalfFormat }> = {
  name: "round",
  operands: ["x"],
  infer([x]) {
    if (x!.dtype !== "f32") throw new ShapeError("round", "x", showType(x!), "f32");
    return [x!];
  },
  onnx(emit, { inputs, outputs }, { format }) {
    const narrow = emit.value("Cast", inputs, { to: { int: formats[format].onnx } });
    emit.node("Cast", [narrow], outputs, { to: { int: FLOAT32 } });
  },
  // Rounding only simulates another precision, so it has no cost.
  cost: () => ({ read: 0, written: 0 }),
  // The gradient passes through, as in mixed precision.
  gradient: ({ upstream: [dy] }) => [dy],
  reference: ([x], { format }) => [mapNd(x!, (value) => roundTo(value, format))],
};

/** x rounded to a 16-bit format, in float32. */
export const round = (x: Tensor, format: HalfFormat): Tensor => apply1(roundOp, [x], { format });
