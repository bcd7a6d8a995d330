/** Compares decoder, scores and loss with RegionSpot's own code, on the same random weights. */
import { expect, test } from "vitest";
import { Graph, gradient, scale, sum } from "../../../graph/index.ts";
import { interpret } from "../../../graph/interpret.testing.ts";
import { ndarray } from "../../../graph/ndarray.ts";
import { type BridgeConfig, RegionBridge } from "../../../models/own-networks/region-bridge.ts";
import { authorsFixture, farthest, numbers } from "../../../util/authors.testing.ts";
import { TracedWeights } from "../../graphs/traced-weights.ts";
import { focalLoss } from "./focal-loss.ts";

interface Fixture extends Omit<BridgeConfig, "imageNorm"> {
  regions: number;
  cells: number;
  labels: number;
  /** [regions, labels]. */
  scores: number[];
  /** Each region's label. */
  right: number[];
  loss: number;
  /** The gradient of the loss with respect to the logits. */
  gradient: number[];
}
const { repository, ...fixture } = authorsFixture<Fixture>("authors.json", import.meta.url);
const { token, hidden, width, layers, heads, ffn, regions, cells, labels } = fixture;

/** Draws the weights and biases of linear layers and norms, in the generator's order. */
function drawnWeights(): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  let seed = 200;
  const linear = (name: string, outputs: number, inputs: number) => {
    values.set(
      `${name}.weight`,
      numbers(++seed, outputs * inputs).map((x) => x / 2),
    );
    values.set(
      `${name}.bias`,
      numbers(++seed, outputs).map((x) => x / 4),
    );
  };
  const norm = (name: string) => {
    linear(name, hidden, 1);
    values.set(
      `${name}.weight`,
      values.get(`${name}.weight`)!.map((x) => 1 + x / 2),
    );
  };
  const look = (name: string) => {
    for (const part of ["q", "k", "v", "output"]) linear(`${name}_attn_${part}`, hidden, hidden);
  };
  linear("to_clip", hidden, token);
  for (let layer = 0; layer < layers; layer++) {
    const of = (part: string) => `blk.${layer}.${part}`;
    look(of("self"));
    norm(of("self_norm"));
    look(of("cross"));
    norm(of("cross_norm"));
    linear(of("ffn_up"), ffn, hidden);
    linear(of("ffn_down"), hidden, ffn);
    norm(of("ffn_norm"));
  }
  norm("output_norm");
  linear("projector", width, hidden);
  return values;
}

/** Scales a row to unit length. */
function unitRow(row: Float32Array): number[] {
  const length = Math.hypot(...row);
  return Array.from(row, (x) => x / length);
}

test(`regions' scores equal ${repository}'s`, () => {
  const weights = new TracedWeights(
    { kind: "huggingface", path: "bridge", config: {} },
    (name) => name.endsWith(".bias"),
    (name) => name,
  );
  const g = new Graph();
  const tokens = g.input("tokens", "f32", [1, regions, token]);
  const image = g.input("image", "f32", [1, cells, hidden]);
  const config = { token, hidden, width, layers, heads, ffn, imageNorm: false };
  g.output("vectors", new RegionBridge(config, weights).vectors(g, tokens, image).vectors);
  const values = drawnWeights();
  const own = weights
    .inputsOf(g)
    .map(({ input, tensor }) => [input, ndarray(tensor.shape as number[], [...values.get(input)!])] as const);
  const { vectors } = interpret(
    g,
    {
      ...Object.fromEntries(own),
      tokens: ndarray([1, regions, token], [...numbers(191, regions * token)]),
      image: ndarray([1, cells, hidden], [...numbers(192, cells * hidden)]),
    },
    {},
  );
  const drawn = numbers(193, labels * width);
  const texts = Array.from({ length: labels }, (_, label) =>
    unitRow(drawn.subarray(label * width, (label + 1) * width)),
  );
  const scores = Array.from({ length: regions }, (_, region) =>
    texts.map((text) => 10 * text.reduce((dot, x, i) => dot + x * vectors!.data[region * width + i]!, 0)),
  ).flat();
  expect(farthest(scores, fixture.scores)).toBeLessThanOrEqual(1e-5);
});

test(`the focal loss and its gradient equal ${repository}'s`, () => {
  const g = new Graph();
  const shape = [1, regions, labels];
  const logits = g.input("logits", "f32", shape);
  const each = sum(focalLoss(logits, g.input("right", "f32", shape), { alpha: 0.25, gamma: 2 }), 2);
  const loss = scale(sum(each, 1), 1 / regions);
  g.output("loss", loss);
  g.output("gradient", gradient(sum(loss, 0), [logits])[0]!);
  const right = fixture.right.flatMap((label) => Array.from({ length: labels }, (_, i) => Number(i === label)));
  const drawn = Array.from(numbers(194, regions * labels), (x) => 4 * x);
  const result = interpret(g, { logits: ndarray(shape, drawn), right: ndarray(shape, right) }, {});
  expect(farthest([...result["loss"]!.data], [fixture.loss])).toBeLessThanOrEqual(1e-5);
  expect(farthest([...result["gradient"]!.data], fixture.gradient)).toBeLessThanOrEqual(1e-5);
});
