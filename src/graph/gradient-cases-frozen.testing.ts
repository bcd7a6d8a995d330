/** Cases of frozen matrices in blocks of quantised codes. */
import { seededRandom } from "../util/random.ts";
import { fixed, type GradientCase, type Input, noise, whole } from "./gradient-case.testing.ts";
import { count } from "./ndarray.ts";
import { groupedQuantizedLinear } from "./ops/grouped-quantized.ts";
import { bytesOfCodes, quantizedLinear, storedBlocks } from "./ops/quantized.ts";
import type { Tensor } from "./tensor.ts";

const codes = (seed: number, shape: readonly number[]): Input => {
  const random = seededRandom(seed);
  return { dtype: "u8", shape, data: Float64Array.from({ length: count(shape) }, () => Math.floor(256 * random())) };
};

const forms = [
  { bits: 4, corrected: false },
  { bits: 4, corrected: true },
  { bits: 8, corrected: false },
] as const;

/** Frozen matrices of 5 rows in 3 blocks of codes. */
export const frozen = forms.map((form) => {
  const { bits, corrected } = form;
  const blocks = corrected ? storedBlocks(3) : 3;
  const steps = noise(3, [5, blocks]);
  return {
    ...{ form, name: `quantizedLinear of ${bits} bits, corrected: ${corrected}` },
    inputs: {
      x: noise(1, [2, 3, 96]),
      codes: codes(2, [5, blocks, bytesOfCodes(32, bits)]),
      scale: fixed({ ...steps, data: steps.data.map((v) => Math.fround(v / 2 ** bits)) }),
      zero: codes(4, [5, bytesOfCodes(blocks, bits)]),
    },
    trace: ({ x, codes: of, scale, zero }: Readonly<Record<string, Tensor>>) => [
      quantizedLinear(x!, { ...form, codes: of!, scale: scale!, zero: zero! }, "float32"),
    ],
  };
});

/** Three experts; the second gets no rows. */
export const frozenExperts: GradientCase[] = frozen.map(({ form, name, inputs }) => {
  const matrices = [0, 1, 2].map((e) =>
    Object.entries(inputs)
      .filter(([part]) => part !== "x")
      .map(([part, input]): [string, Input] => [`${part}${e}`, { ...input, data: input.data.toReversed() }]),
  );
  return {
    name: `experts, ${name}`,
    inputs: {
      x: noise(1, [5, 96]),
      sizes: whole("i64", [3], 2, 0, 3),
      ...Object.fromEntries(matrices.flat()),
    },
    trace(t) {
      const part = (of: string, e: number) => t[`${of}${e}`]!;
      const all = [0, 1, 2].map((e) => ({
        ...form,
        ...{ codes: part("codes", e), scale: part("scale", e), zero: part("zero", e) },
      }));
      return [groupedQuantizedLinear(t["x"]!, t["sizes"]!, all, "float32")];
    },
  };
});
