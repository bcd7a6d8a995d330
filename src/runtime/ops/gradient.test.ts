import { expect, test } from "vitest";
import { reached, traced } from "../../graph/gradient.testing.ts";
import { pullback } from "../../graph/gradient.ts";
import { type GradientCase, gradientCases } from "../../graph/gradient-cases.testing.ts";
import { scale } from "../../graph/ops/elementwise.ts";
import { compare, error, type Trial } from "../compare.testing.ts";

/** A case's outputs, and its inputs' gradients from those given to the outputs. */
function trialOf(c: GradientCase): Trial {
  const of = traced(c);
  const names = reached(of);
  const given = of.given.map(({ of: { shape } }, i) => {
    const feed = { dtype: "f32", ...of.feeds[`given${i}`]!, symbolic: shape } as const;
    return [`given${i}`, feed] as const;
  });
  return {
    inputs: { ...c.inputs, ...Object.fromEntries(given) },
    bindings: c.bindings ?? {},
    trace(tensors) {
      const outputs = c.trace(tensors, Object.values(tensors)[0]!.graph).filter((t) => t.dtype === "f32");
      const pairs = outputs.map((output, i) => ({ of: output, gradient: tensors[`given${i}`]! }));
      const wanted = names.map((name) => tensors[name]!);
      const gradients = wanted.length > 0 ? pullback(pairs, wanted) : [];
      return Object.fromEntries([
        ...outputs.map((t, i) => [`output${i}`, t] as const),
        // An output is neither an input nor another output.
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
