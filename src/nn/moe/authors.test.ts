/** Compares with JetMoE's own mixture: outputs, its router's auxiliary loss, and gradients. */
import { expect, test } from "vitest";
import { gradient } from "../../graph/gradient.ts";
import { Graph } from "../../graph/graph.ts";
import { interpret } from "../../graph/interpret.testing.ts";
import { ndarray } from "../../graph/ndarray.ts";
import { plus, scale, times } from "../../graph/ops/elementwise.ts";
import { matmulTransposed } from "../../graph/ops/matmul.ts";
import { full, sum, sumTo } from "../../graph/ops/reduce.ts";
import { authorsFixture, farthest, numbers } from "../../util/authors.testing.ts";
import type { Matrix } from "../../weights/weight-source.ts";
import { mixFeedForwards } from "./experts.ts";
import { balanceLoss, routerZLoss } from "./losses.ts";
import { route } from "./route.ts";

interface Case {
  active: number;
  y: number[];
  /** Balance loss, plus a tenth of the mean square of the logits' log-sum. */
  loss: number;
  /** Gradients of the loss plus the inner product of y with given numbers. */
  dx: number[];
  drouter: number[];
}
interface Fixture {
  tokens: number;
  hidden: number;
  width: number;
  experts: number;
  cases: Case[];
}
const { repository, cases, tokens, hidden, width, experts } = authorsFixture<Fixture>("authors.json", import.meta.url);

test.each(cases)(`$active of ${experts} experts, as in ${repository}`, ({ active, ...of }) => {
  const g = new Graph();
  const feeds: Record<string, ReturnType<typeof ndarray>> = {};
  const input = (name: string, shape: number[], values: ArrayLike<number>) => {
    feeds[name] = ndarray(shape, Array.from(values));
    return g.input(name, "f32", shape);
  };
  const stack = (name: string, seed: number, rows: number, columns: number): Matrix[] => {
    const [each, all] = [rows * columns, numbers(seed, experts * rows * columns)];
    return Array.from({ length: experts }, (_, i) => ({
      kind: "float32 rows",
      weight: input(`${name}${i}`, [rows, columns], all.subarray(i * each, (i + 1) * each)),
    }));
  };
  const x = input("x", [tokens, hidden], numbers(34, tokens * hidden));
  const router = input(
    "router",
    [experts, hidden],
    numbers(31, experts * hidden).map((v) => 2 * v),
  );
  const logits = matmulTransposed(x, router);
  const routing = route(logits, { count: experts, active, gates: "chosen" });
  const matrices = { inside: stack("inside", 32, 2 * width, hidden), down: stack("down", 33, hidden, width) };
  const y = mixFeedForwards(x, routing, matrices, "silu", true);
  const evenly = full(sum(logits, 1), 1 / tokens);
  const loss = plus(balanceLoss(logits, active, evenly), scale(routerZLoss(logits, evenly), 0.1));
  const along = times(y, input("along", [tokens, hidden], numbers(35, tokens * hidden)));
  const [dx, drouter] = gradient(plus(sumTo(along, []), loss), [x, router]);
  for (const [name, tensor] of Object.entries({ y, loss, dx: dx!, drouter: drouter! })) g.output(name, tensor);
  const result = interpret(g, feeds, {});
  const results = { y: of.y, loss: [of.loss], dx: of.dx, drouter: of.drouter };
  for (const [name, expected] of Object.entries(results))
    expect(farthest([...result[name]!.data], expected), name).toBeLessThanOrEqual(1e-5);
});
