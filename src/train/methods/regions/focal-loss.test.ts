import { expect, test } from "vitest";
import { FloatRunner } from "../../../engine/images/regions/runner.ts";
import { Graph, gradient, sum } from "../../../graph/index.ts";
import { type Focal, focalLoss } from "./focal-loss.ts";

const logits = [-3, -0.5, 0, 0.7, 4, 1.5];
const right = [0, 1, 0, 1, 1, 0];

async function lossesAndGradients(focal: Focal) {
  const g = new Graph();
  const x = g.input("x", "f32", [6]);
  const losses = focalLoss(x, g.input("right", "f32", [6]), focal);
  g.output("losses", losses);
  g.output("dx", gradient(sum(losses, 0), [x])[0]!);
  using runner = await FloatRunner.compile(g);
  const floats = (values: number[]) => ({ shape: [6], values: Float32Array.from(values) });
  return runner.run({ x: floats(logits), right: floats(right) }, { losses: [6], dx: [6] });
}

/** The loss as defined by Lin et al. 2017, equation 5. */
function defined(x: number, y: number, { alpha, gamma }: Focal): number {
  const p = 1 / (1 + Math.exp(-x));
  const [own, share] = y === 1 ? [p, alpha] : [1 - p, 1 - alpha];
  return -share * (1 - own) ** gamma * Math.log(own);
}

test.each([
  { alpha: 0.25, gamma: 2 },
  { alpha: 0.5, gamma: 0 },
] as const)("the loss and its gradient: $alpha, $gamma", async (focal) => {
  const { losses, dx } = await lossesAndGradients(focal);
  for (const [i, x] of logits.entries()) {
    const of = (at: number) => defined(at, right[i]!, focal);
    expect(losses[i]).toBeCloseTo(of(x), 5);
    expect(dx[i]).toBeCloseTo((of(x + 1e-4) - of(x - 1e-4)) / 2e-4, 4);
  }
});

test("without focus, half the share is half the cross-entropy", async () => {
  const { losses } = await lossesAndGradients({ alpha: 0.5, gamma: 0 });
  for (const [i, x] of logits.entries()) {
    const entropy = Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0) - x * right[i]!;
    expect(losses[i]).toBeCloseTo(entropy / 2, 5);
  }
});
