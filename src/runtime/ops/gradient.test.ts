import { expect, test } from "vitest";
import { reached, traced } from "../../graph/gradient.testing.ts";
import { pullback } from "../../graph/gradient.ts";
import type { GradientCase } from "../../graph/gradient-case.testing.ts";
import { gradientCases } from "../../graph/gradient-cases.testing.ts";
import { gelu, scale } from "../../graph/ops/elementwise.ts";
import { gatherBackward } from "../../graph/ops/gather.ts";
import { weightGradient } from "../../graph/ops/matmul.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { compare, error, integers, noise, type Trial, worst } from "../compare.testing.ts";

/** A case's outputs, and the gradients of its inputs for given gradients of the outputs. */
function trialOf(c: GradientCase): Trial {
  const of = traced(c);
  const names = reached(of);
  const seeds = of.given.map(({ of: { shape } }, i) => {
    const feed = { dtype: "f32", ...of.feeds[`given${i}`]!, symbolic: shape } as const;
    return [`given${i}`, feed] as const;
  });
  return {
    inputs: { ...c.inputs, ...Object.fromEntries(seeds) },
    bindings: c.bindings ?? {},
    trace(tensors) {
      const outputs = c.trace(tensors, Object.values(tensors)[0]!.graph).filter((t) => t.dtype === "f32");
      const pairs = outputs.map((output, i) => ({ of: output, gradient: tensors[`given${i}`]! }));
      const wanted = names.map((name) => tensors[name]!);
      const gradients = wanted.length > 0 ? pullback(pairs, wanted) : [];
      return Object.fromEntries([
        ...outputs.map((t, i) => [`output${i}`, t] as const),
        // Scaled by 1, because an output must not be an input or another output.
        ...gradients.map((t, i) => [`by ${names[i]}`, scale(t, 1)] as const),
      ]);
    },
  };
}

const cases = gradientCases.filter((c) => traced(c).given.length > 0);

test.each(cases)("$name: ONNX Runtime computes the operator and its gradients", async (c) => {
  const outcomes = await compare(trialOf(c));
  for (const [name, outcome] of Object.entries(outcomes)) expect(error(outcome), name).toBeLessThan(1e-5);
});

test.each([
  { rows: [1], k: 1, n: 3 },
  { rows: [2, 150], k: 257, n: 190 },
])("a weight's gradient is added to a sum in its buffer: $rows, $k, $n", async ({ rows, k, n }) => {
  const inputs = { x: noise(1, [...rows, k]), dy: noise(2, [...rows, n]), sum: noise(3, [k, n]) };
  const trace: Trial["trace"] = ({ x, dy, sum }) => ({ y: weightGradient(x!, dy!, sum!) });
  expect(await worst({ inputs, inPlace: { y: "sum" }, trace })).toBeLessThan(1e-5);
});

test.each([
  { rows: 11, inPlace: true },
  { rows: 11, inPlace: false },
  { rows: 300, inPlace: true },
  { rows: 300, inPlace: false },
])(
  "gradients of $rows table rows that are read again and again, added in place: $inPlace",
  async ({ rows, inPlace }) => {
    const inputs = {
      x: noise(1, [rows, 33]),
      ids: integers(2, "i64", [4, 50], 11),
      dy: noise(3, [4, 50, 33]),
      sum: noise(4, [rows, 33]),
    };
    const trace: Trial["trace"] = ({ x, ids, dy, sum }) => ({ y: gatherBackward(x!, ids!, dy!, 0, sum!) });
    expect(await worst({ inputs, inPlace: inPlace ? { y: "sum" } : {}, trace })).toBeLessThan(1e-5);
  },
);

test.each([
  { name: "gelu", f: (x: Tensor) => gelu(x, "exact") },
  { name: "gelu by tanh", f: (x: Tensor) => gelu(x, "tanh") },
])("the gradient of $name over more elements than a slice has", async ({ f }) => {
  const inputs = { x: noise(1, [3, 65_537]), dy: noise(2, [3, 65_537]) };
  const trace: Trial["trace"] = ({ x, dy }) => ({ y: pullback([{ of: f(x!), gradient: dy! }], [x!])[0]! });
  expect(await worst({ inputs, trace })).toBeLessThan(1e-5);
});
