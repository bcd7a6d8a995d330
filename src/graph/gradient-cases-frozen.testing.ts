/** Cases of frozen matrices in blocks of codes. */
import { seededRandom } from "../util/random.ts";
import { fixed, type GradientCase, type Input, noise, whole } from "./gradient-case.testing.ts";
import { count } from "./ndarray.ts";
import { groupedQuantizedLinear } from "./ops/grouped-quantized.ts";
import { quantizedLinear } from "./ops/quantized.ts";
import type { Tensor } from "./tensor.ts";

const codes = (seed: number, shape: readonly number[]): Input => {
  const random = seededRandom(seed);
  return { dtype: "u8", shape, data: Float64Array.from({ length: count(shape) }, () => Math.floor(256 * random())) };
};

/** Frozen matrices of 5 rows in blocks of codes. */
export const frozen: GradientCase[] = ([4, 8] as const).flatMap((bits) =>
  [false, true].map((withResidual) => ({
    name: `quantizedLinear of ${bits} bits, with a residual: ${withResidual}`,
    inputs: {
      x: noise(1, [2, 3, 48]),
      codes: codes(2, [5, 3, (16 * bits) / 8]),
      scale: fixed({ ...noise(3, [5, 3]), data: noise(3, [5, 3]).data.map((v) => Math.fround(v / 2 ** bits)) }),
      zero: codes(4, [5, Math.ceil((3 * bits) / 8)]),
      ...(withResidual && { residual: fixed(noise(5, [3, 5])) }),
    },
    trace: ({ x, codes: of, scale, zero, residual }: Readonly<Record<string, Tensor>>) => [
      quantizedLinear(x!, { bits, codes: of!, scale: scale!, zero: zero!, residual }, "float32"),
    ],
  })),
);

/** Three experts, of which the second has no rows. */
export const frozenExperts: GradientCase[] = frozen.map(({ name, inputs }) => {
  const matrices = [0, 1, 2].map((e) =>
    Object.entries(inputs)
      .filter(([part]) => part !== "x")
      .map(([part, input]): [string, Input] => [`${part}${e}`, { ...input, data: input.data.toReversed() }]),
  );
  const bits = name.includes("4 bits") ? 4 : 8;
  return {
    name: `experts, ${name}`,
    inputs: {
      x: noise(1, [5, 48]),
      sizes: whole("i64", [3], 2, 0, 3),
      ...Object.fromEntries(matrices.flat()),
    },
    trace(t) {
      const part = (of: string, e: number) => t[`${of}${e}`]!;
      const all = [0, 1, 2].map((e) => ({
        ...{ bits: bits as 4 | 8, codes: part("codes", e), scale: part("scale", e), zero: part("zero", e) },
        residual: t[`residual${e}`],
      }));
      return [groupedQuantizedLinear(t["x"]!, t["sizes"]!, all, "float32")];
    },
  };
});
