import { expect, test } from "vitest";
import {
  Graph,
  gradient,
  log,
  matmul,
  minus,
  plus,
  scale,
  sigmoid,
  softmax,
  sumTo,
  type Tensor,
  times,
} from "../../../graph/index.ts";
import { interpret } from "../../../graph/interpret.testing.ts";
import { ndarray } from "../../../graph/ndarray.ts";

/** p(answer | passage or no passage, expert), with one row per expert and three answers. */
const PLAIN = [
  [0.7, 0.1, 0.2],
  [0.2, 0.3, 0.5],
];
const READ = [
  [
    [0.1, 0.8, 0.1],
    [0.3, 0.3, 0.4],
  ],
  [
    [0.2, 0.2, 0.6],
    [0.05, 0.9, 0.05],
  ],
];
/** Logits of each branch's experts, similarities of the passages, and the gate's logit. */
const [PLAIN_ROUTER, READ_ROUTER, SIMILARITY, GATE] = [[0.3, -0.4], [-0.2, 0.9], [1.2, 0.4], -0.35];

const shares = (logits: readonly number[]): number[] => {
  const powers = logits.map(Math.exp);
  return powers.map((power) => power / powers.reduce((sum, x) => sum + x));
};

/** The likelihood of an answer without and with retrieval, by enumeration (specification b.1). */
function branches(answer: number): { plain: number; read: number } {
  let [plain, read] = [0, 0];
  for (const [e, share] of shares(PLAIN_ROUTER).entries()) plain += share * PLAIN[e]![answer]!;
  for (const [d, weight] of shares(SIMILARITY).entries())
    for (const [e, share] of shares(READ_ROUTER).entries()) read += weight * share * READ[d]![e]![answer]!;
  return { plain, read };
}

/** The marginal likelihood of all answers [1, 3] as a graph over the gate's logit, and the loss of the first answer. */
function traced() {
  const g = new Graph();
  const feeds: Record<string, ReturnType<typeof ndarray>> = {};
  const input = (name: string, rows: readonly (readonly number[])[]): Tensor => {
    const shape = [rows.length, rows[0]!.length];
    feeds[name] = ndarray(shape, rows.flat());
    return g.input(name, "f32", shape);
  };
  const mixture = (name: string, logits: readonly number[], rows: readonly (readonly number[])[]) =>
    matmul(softmax(input(`${name}, router`, [logits])), input(name, rows));
  const plain = mixture("plain", PLAIN_ROUTER, PLAIN);
  // A passage's weight times an expert's share, one row for each pair.
  const weights = shares(SIMILARITY)
    .flatMap((weight) => [[weight, weight]])
    .flat();
  const pairs = softmax(input("router", [READ_ROUTER]));
  const both = matmul(
    pairs,
    input("twice", [
      [1, 0, 1, 0],
      [0, 1, 0, 1],
    ]),
  );
  const read = matmul(times(both, input("passages", [weights])), input("read", READ.flat()));
  const gate = input("gate", [[GATE]]);
  const retrieve = matmul(sigmoid(gate), input("ones", [[1, 1, 1]]));
  const p = plus(plain, times(retrieve, minus(read, plain)));
  const loss = scale(sumTo(times(log(p), input("first", [[1, 0, 0]])), []), -1);
  return { g, feeds, gate, p, loss };
}

test("the marginal likelihood is the sum over branches, passages and experts", () => {
  const { g, feeds, p } = traced();
  g.output("p", p);
  const results = [...interpret(g, feeds, {}).p!.data];
  const retrieve = 1 / (1 + Math.exp(-GATE));
  for (const [answer, likelihood] of results.entries()) {
    const { plain, read } = branches(answer);
    expect(Math.abs(likelihood - (retrieve * read + (1 - retrieve) * plain))).toBeLessThan(1e-9);
  }
  expect(Math.abs(results.reduce((sum, x) => sum + x) - 1)).toBeLessThan(1e-9);
});

test("the gate's gradient is g (1 − g) (p plain − p read) / p: it rises where reading explains the answer better", () => {
  const { g, feeds, gate, p, loss } = traced();
  g.output("p", p);
  g.output("slope", gradient(loss, [gate])[0]!);
  const result = interpret(g, feeds, {});
  const { plain, read } = branches(0);
  const retrieve = 1 / (1 + Math.exp(-GATE));
  const slope = (retrieve * (1 - retrieve) * (plain - read)) / result.p!.data[0]!;
  expect(Math.abs(result.slope!.data[0]! - slope)).toBeLessThan(1e-9);
  // The first answer is likelier without retrieval, so a step down the slope lowers the gate.
  expect(slope).toBeGreaterThan(0);
});
