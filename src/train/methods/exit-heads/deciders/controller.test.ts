import { beforeAll, expect, test } from "vitest";
import { Graph } from "../../../../graph/index.ts";
import { interpret } from "../../../../graph/interpret.testing.ts";
import { ndarray } from "../../../../graph/ndarray.ts";
import { type Action, actionOf, actions } from "../../../../savings/depth/exits/decide.ts";
import { traceDecider } from "../../../../savings/depth/exits/deciders.ts";
import { seededRandom } from "../../../../util/random.ts";
import { finish } from "../../../session/finish.testing.ts";
import { f1Of } from "../f1.testing.ts";
import { controllerLabels, firstRight } from "../labels.ts";
import { HIDDEN, options, POSITIONS, syntheticStates } from "../synthetic.testing.ts";
import { positionsOf, type TrainingStates } from "../training-states.ts";
import { controllerStages, type TrainedController } from "./controller.ts";

const layers = [1, 2, 3];
const random = seededRandom(31);
/** Each token's difficulty: exit l is correct if it is below l / 4, the whole model if it is below 0.85. */
const hard = Float32Array.from({ length: POSITIONS }, random);
const right = [0.25, 0.5, 0.75, 0.85].map((most) => Uint8Array.from(hard, (each) => (each < most ? 1 : 0)));
const labels = controllerLabels(right).slice(0, layers.length);

let own: Awaited<ReturnType<typeof trained>>;
beforeAll(async () => {
  own = await trained(options);
});

const states = (): TrainingStates =>
  syntheticStates(layers, (layer, position, stream) => {
    stream[1]! += 8 * (hard[position]! - 0.5);
    stream[2]! += 3 * layer;
    stream[3]! = 2;
  });

/** The controller's choices on the test part, by exit. */
const chosen = ({ found }: TrainedController): number[][] =>
  found.map((logits) =>
    Array.from({ length: logits.length / 3 }, (_, i) =>
      actions.indexOf(actionOf(logits.subarray(3 * i, 3 * i + 3), { stop: 0, exit: 0 })),
    ),
  );

async function trained(how: typeof options) {
  const trainingStates = states();
  using _ = trainingStates.cache;
  const controller = await finish(controllerStages(trainingStates, layers, labels, how));
  const range = positionsOf(trainingStates.corpus, trainingStates.corpus.ranges.test);
  return { controller, range, choices: chosen(controller) };
}

const exit = actions.indexOf("exit");
const truth = (range: readonly [number, number]) => labels.flatMap((own) => [...own.subarray(...range)]);

/** The F1 score of always choosing each layer's most frequent label. */
function majority(range: readonly [number, number]): number {
  const most = labels.map((own) => {
    const counts = actions.map((_, action) => own.subarray(...range).filter((label) => label === action).length);
    return new Array<number>(range[1] - range[0]).fill(counts.indexOf(Math.max(...counts)));
  });
  return f1Of(most.flat(), truth(range), exit).f1;
}

test("a controller beats one with shuffled labels by far, which knows only each layer's usual label", async () => {
  const shuffled = await trained({ ...options, labels: "shuffled" });
  const all = truth(own.range);
  const [good, control] = [own, shuffled].map(({ choices }) => f1Of(choices.flat(), all, exit).f1) as [number, number];
  expect(control).toBeLessThanOrEqual(majority(own.range));
  expect(good).toBeGreaterThan(majority(own.range) + 0.1);
  expect(good).toBeGreaterThan(control + 0.1);
  for (const { auc, stop } of own.controller.measured)
    for (const each of [auc, stop.auc]) expect(each).toBeGreaterThan(0.7);
});

/** The share of tokens predicted correctly, and the mean number of layers per token. */
function walk(choose: (exit: number, position: number) => Action, [from, to]: readonly [number, number]) {
  let [rightOnes, depth] = [0, 0];
  for (let t = from; t < to; t++) {
    const at = layers.findIndex((_, i) => choose(i, t) !== "continue");
    depth += at < 0 ? 4 : layers[at]!;
    if (at < 0 || choose(at, t) === "exit") rightOnes += right[at < 0 ? 3 : at]![t]!;
  }
  return { quality: rightOnes / (to - from), depth: depth / (to - from) };
}

test("an oracle with true labels gets right all that some exit gets right, in no more layers than a controller that does", async () => {
  const { controller, range } = own;
  const oracle = walk((i, t) => actions[labels[i]![t]!]!, range);
  const first = firstRight(right).subarray(...range);
  expect(oracle.quality).toBe(first.filter((each) => each > 0).length / first.length);
  expect(oracle.depth).toBeCloseTo(first.reduce((sum, each) => sum + Math.max(1, each), 0) / first.length, 9);
  for (const threshold of [0, 0.5, 0.9, 0.99, 1]) {
    const learnt = walk((i, t) => {
      const logits = controller.found[i]!.subarray(3 * (t - range[0]), 3 * (t - range[0]) + 3);
      return actionOf(logits, { stop: threshold, exit: threshold });
    }, range);
    expect(learnt.quality).toBeLessThanOrEqual(oracle.quality);
    if (learnt.quality === oracle.quality) expect(learnt.depth).toBeGreaterThanOrEqual(oracle.depth);
  }
});

test("without a stream, every position has the same action; with one, they differ", async () => {
  const { controller, choices } = own;
  const values = Float64Array.from(controller.weights.get("controller.weight")!.values);
  const g = new Graph();
  const x = g.input("x", "f32", [1, 5, HIDDEN]);
  const { found } = traceDecider(g, (name, shape) => g.input(name, "f32", shape), { kind: "controller" }, 1, x);
  g.output("found", found);
  const zeros = interpret(g, { x: ndarray([1, 5, HIDDEN]), "controller.weight": ndarray([3, HIDDEN], values) }, {});
  const acts = Array.from({ length: 5 }, (_, i) =>
    actionOf(zeros["found"]!.data.subarray(3 * i, 3 * i + 3), { stop: 0, exit: 0 }),
  );
  expect(new Set(acts).size).toBe(1);
  expect(new Set(choices.flat()).size).toBe(3);
});
