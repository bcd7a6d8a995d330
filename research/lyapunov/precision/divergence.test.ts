import { expect, test } from "vitest";
import { divergences } from "./divergence.ts";

test("a model does not diverge from itself; from another one it does, in the part where it differs", () => {
  const p = Float32Array.of(1, 2, 0, 3, 1, 1, 0, 0, 2, 5, 4, 1);
  const q = p.with(9, 3);
  expect(divergences(p, p, 3, 2)).toEqual([0, 1].map(() => ({ kl: 0, logit: 0, agreement: 1 })));
  const [first, second] = divergences(p, q, 3, 2);
  expect(first).toEqual({ kl: 0, logit: 0, agreement: 1 });
  expect(second!.agreement).toBe(0.5);
  expect(second!.logit).toBeCloseTo(1 / 3, 12);
  const softmax = (logits: number[]) => {
    const exps = logits.map(Math.exp);
    return exps.map((e) => e / exps.reduce((a, b) => a + b));
  };
  const [a, b] = [softmax([5, 4, 1]), softmax([3, 4, 1])];
  expect(second!.kl).toBeCloseTo(a.reduce((sum, x, i) => sum + x * Math.log(x / b[i]!), 0) / 2, 9);
});
