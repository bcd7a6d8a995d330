import { expect, test } from "vitest";
import { pullback } from "../../graph/gradient.ts";
import { expertOrder } from "../../graph/ops/expert-rows.ts";
import { groupedLinear } from "../../graph/ops/grouped-linear.ts";
import { groupedQuantizedLinear } from "../../graph/ops/grouped-quantized.ts";
import { bytesOfCodes, type CodeBits, storedBlocks } from "../../graph/ops/quantized.ts";
import { chosenTopK, topK } from "../../graph/ops/top-k.ts";
import { compare, type Feed, integers, noise, type Trial, worst } from "../compare.testing.ts";

test("of equal numbers the first is chosen", async () => {
  const x: Feed = { dtype: "f32", shape: [2, 4], data: [1, 3, 3, 3, 0, 0, 0, 0] };
  const { y } = await compare({ inputs: { x }, trace: (t) => ({ y: topK(t.x!, 2).chosen }) });
  expect([...y!.got.data]).toEqual([1, 2, 0, 1]);
  expect([...y!.expected.data]).toEqual([1, 2, 0, 1]);
});

test("a bias says which numbers are chosen, and is no part of them", async () => {
  const x: Feed = { dtype: "f32", shape: [2, 4], data: [1, 3, 2, 0, 0, 1, 2, 3] };
  const bias: Feed = { dtype: "f32", shape: [4], data: [5, 0, 0, 2.5] };
  const { values, chosen } = await compare({
    inputs: { x, bias },
    trace: (t) => chosenTopK(t.x!, 2, { bias: t.bias }),
  });
  for (const of of ["got", "expected"] as const) {
    expect([...chosen![of].data]).toEqual([0, 1, 3, 0]);
    expect([...values![of].data]).toEqual([1, 3, 3, 0]);
  }
});

test("numbers are chosen from the groups whose two greatest have the greatest sums", async () => {
  const x: Feed = { dtype: "f32", shape: [2, 1, 6], data: [9, 0, 0, 4, 6, 1, -1, -2, -9, -1, -8, -8] };
  const bias: Feed = { dtype: "f32", shape: [6], data: [0, 0, 1, 0, 0, 4] };
  const groups = { count: 2, active: 1, best: 2 };
  const alone = await compare({ inputs: { x }, trace: (t) => chosenTopK(t.x!, 3, { groups }) });
  const biased = await compare({ inputs: { x, bias }, trace: (t) => chosenTopK(t.x!, 3, { bias: t.bias, groups }) });
  for (const of of ["got", "expected"] as const) {
    // The first row's greatest number is in the group that is not chosen.
    expect([...alone.chosen![of].data]).toEqual([4, 3, 5, 0, 1, 2]);
    expect([...alone.values![of].data]).toEqual([6, 4, 1, -1, -2, -9]);
    expect([...biased.chosen![of].data]).toEqual([4, 5, 3, 0, 1, 2]);
    expect([...biased.values![of].data]).toEqual([6, 1, 4, -1, -2, -9]);
  }
});

test("slots are grouped by expert in their order, and every slot has a row", async () => {
  const chosen = integers(3, "i64", [37, 3], 5);
  const trace: Trial["trace"] = (t) => ({ ...expertOrder(t.chosen!, 6) });
  const { order, places, sizes } = await compare({ inputs: { chosen }, trace });
  for (const { got, expected } of [order!, places!, sizes!]) expect([...got.data]).toEqual([...expected.data]);
  expect(sizes!.got.data.reduce((a, b) => a + b)).toBe(37 * 3);
  expect([...new Set(order!.got.data)]).toHaveLength(37 * 3);
});

test.each([
  { bits: 4, corrected: false },
  { bits: 4, corrected: true },
  { bits: 8, corrected: false },
] as const)(
  "products with experts' matrices of $bits bits, corrected: $corrected; some experts have no rows",
  async (form) => {
    const [experts, k, n] = [3, 64, 5];
    const constants = Object.assign({}, ...[0, 1, 2].map((e) => matrix(e, { n, k, ...form })));
    for (const sizes of [
      [2, 0, 5],
      [0, 0, 1],
    ]) {
      const rows = sizes.reduce((a, b) => a + b);
      const inputs = { x: noise(rows, [rows, k]), sizes: { dtype: "i64" as const, shape: [experts], data: sizes } };
      const trace: Trial["trace"] = (t) => {
        const part = (name: string, e: number) => t[`${name}${e}`]!;
        const matrices = [0, 1, 2].map((e) => ({
          ...form,
          ...{ codes: part("codes", e), scale: part("scale", e), zero: part("zero", e) },
        }));
        return { y: groupedQuantizedLinear(t.x!, t.sizes!, matrices, "float32") };
      };
      expect(await worst({ inputs, constants, trace })).toBeLessThan(1e-5);
    }
  },
);

test.each([true, false])(
  "gradients are added to sums, also of an expert without rows; in place: %s",
  async (inPlace) => {
    const inputs = {
      ...{ x: noise(1, [4, 3]), dy: noise(2, [4, 5]), sizes: { dtype: "i64" as const, shape: [3], data: [3, 0, 1] } },
      ...Object.fromEntries(
        [0, 1, 2].flatMap((e) => [`w${e}`, `sum${e}`].map((name, i) => [name, noise(e + 4 * i, [5, 3])])),
      ),
    };
    const trace: Trial["trace"] = (t) => {
      const of = (name: string) => [0, 1, 2].map((e) => t[`${name}${e}`]!);
      const y = groupedLinear(t.x!, t.sizes!, of("w"), { rows: true });
      const gradients = pullback([{ of: y, gradient: t.dy! }], of("w"), of("sum"));
      return Object.fromEntries(gradients.map((gradient, e) => [`g${e}`, gradient]));
    };
    const places = inPlace ? { g0: "sum0", g1: "sum1", g2: "sum2" } : {};
    expect(await worst({ inputs, inPlace: places, trace })).toBeLessThan(1e-6);
  },
);

interface MatrixForm {
  readonly n: number;
  readonly k: number;
  readonly bits: CodeBits;
  readonly corrected: boolean;
}

/** An expert's random matrix [n, k] in blocks of 32. */
function matrix(e: number, { n, k, bits, corrected }: MatrixForm): Record<string, Feed> {
  const blocks = corrected ? storedBlocks(k / 32) : k / 32;
  return {
    [`codes${e}`]: integers(e, "u8", [n, blocks, bytesOfCodes(32, bits)], 256),
    [`scale${e}`]: noise(10 + e, [n, blocks]),
    [`zero${e}`]: integers(20 + e, "u8", [n, bytesOfCodes(blocks, bits)], 256),
  };
}
