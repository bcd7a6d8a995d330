import { expect, test } from "vitest";
import { Graph } from "../../graph/index.ts";
import { interpret } from "../../graph/interpret.testing.ts";
import { ndarray } from "../../graph/ndarray.ts";
import { TracedWeights } from "../../train/graphs/traced-weights.ts";
import { seededRandom } from "../../util/random.ts";
import { type BridgeConfig, RegionBridge } from "./region-bridge.ts";

const config: BridgeConfig = { token: 3, hidden: 4, width: 3, layers: 1, heads: 2, ffn: 6, imageNorm: true };
type Matrix = number[][];

const random = seededRandom(5);
const drawn = (rows: number, columns: number): Matrix =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => 2 * random() - 1));

/** A bridge for two regions and three image tokens, as a graph with named weights. */
function traced() {
  const weights = new TracedWeights(
    { kind: "huggingface", path: "bridge", config: {} },
    (n) => n.endsWith(".bias"),
    (n) => n,
  );
  const g = new Graph();
  const tokens = g.input("tokens", "f32", [1, 2, config.token]);
  const image = g.input("image", "f32", [1, 3, config.hidden]);
  const outputs = new RegionBridge(config, weights).vectors(g, tokens, image);
  g.output("vectors", outputs.vectors);
  g.output("attention", outputs.attention);
  const values = new Map(
    weights.inputsOf(g).map(({ input, tensor }) => {
      const [rows, columns = 1] = tensor.shape as number[];
      return [input, drawn(rows!, columns)] as const;
    }),
  );
  return { g, weights, values };
}

const { g, weights, values } = traced();
const regions = drawn(2, config.token);
const image = drawn(3, config.hidden);
const flat = (m: Matrix) => m.flat();

function run(tokens: Matrix, seen: Matrix, own = values) {
  const feeds = Object.fromEntries(
    weights.inputsOf(g).map(({ input, tensor }) => [input, ndarray(tensor.shape as number[], flat(own.get(input)!))]),
  );
  const options = { tokens: ndarray([1, 2, 3], flat(tokens)), image: ndarray([1, 3, 4], flat(seen)) };
  const { vectors, attention } = interpret(g, { ...feeds, ...options }, {});
  return { vectors: [...vectors!.data], attention: [...attention!.data] };
}

/** The same layer, computed by hand. */
function byHand(tokens: Matrix, seen: Matrix): number[] {
  const of = (name: string) => values.get(name)!;
  const linear = (x: Matrix, name: string) =>
    x.map((row) =>
      of(`${name}.weight`).map((w, i) => w.reduce((sum, v, j) => sum + v * row[j]!, of(`${name}.bias`)[i]![0]!)),
    );
  const norm = (x: Matrix, name: string) =>
    x.map((row) => {
      const mean = row.reduce((a, b) => a + b) / row.length;
      const deviation = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / row.length + 1e-5);
      return row.map((v, i) => ((v - mean) / deviation) * of(`${name}.weight`)[i]![0]! + of(`${name}.bias`)[i]![0]!);
    });
  const plus = (a: Matrix, b: Matrix) => a.map((row, i) => row.map((v, j) => v + b[i]![j]!));
  const look = (name: string, from: Matrix, to: Matrix) => {
    const [q, k, v] = [linear(from, `${name}_attn_q`), linear(to, `${name}_attn_k`), linear(to, `${name}_attn_v`)];
    const attended = q.map((query) =>
      [0, 2].flatMap((head) => {
        const scores = k.map((key) =>
          Math.exp((query[head]! * key[head]! + query[head + 1]! * key[head + 1]!) / Math.SQRT2),
        );
        const all = scores.reduce((a, b) => a + b);
        return [0, 1].map((d) => v.reduce((sum, value, i) => sum + (scores[i]! / all) * value[head + d]!, 0));
      }),
    );
    return linear(attended, `${name}_attn_output`);
  };
  let x = linear(tokens, "to_clip");
  x = norm(plus(x, look("blk.0.self", x, x)), "blk.0.self_norm");
  x = norm(plus(x, look("blk.0.cross", x, norm(seen, "image_norm"))), "blk.0.cross_norm");
  const inside = linear(x, "blk.0.ffn_up").map((row) => row.map((v) => Math.max(0, v)));
  x = norm(plus(x, linear(inside, "blk.0.ffn_down")), "blk.0.ffn_norm");
  return linear(norm(x, "output_norm"), "projector").flatMap((row) => row.map((v) => v / Math.hypot(...row)));
}

test("a layer is the one that is written out", () => {
  const { vectors } = run(regions, image);
  for (const [i, value] of byHand(regions, image).entries()) expect(vectors[i]).toBeCloseTo(value, 10);
});

test("regions have no order, and see one another unless their attention says nothing", () => {
  const { vectors } = run(regions, image);
  const turned = run(regions.toReversed(), image).vectors;
  expect([...turned.slice(3), ...turned.slice(0, 3)].map((v) => v.toFixed(9))).toEqual(
    vectors.map((v) => v.toFixed(9)),
  );
  const [first] = regions;
  const other = [first!, [9, -9, 9]];
  expect(run(other, image).vectors[0]).not.toBeCloseTo(vectors[0]!, 6);
  const silent = new Map(values);
  for (const of of ["weight", "bias"]) {
    const name = `blk.0.self_attn_output.${of}`;
    silent.set(
      name,
      values.get(name)!.map((row) => row.map(() => 0)),
    );
  }
  expect(run(other, image, silent).vectors.slice(0, 3)).toEqual(run(regions, image, silent).vectors.slice(0, 3));
});

test("a factor of the projector changes nothing, since vectors have length 1", () => {
  const scaled = new Map(values);
  for (const of of ["weight", "bias"])
    scaled.set(
      `projector.${of}`,
      values.get(`projector.${of}`)!.map((row) => row.map((v) => 3 * v)),
    );
  const [a, b] = [run(regions, image).vectors, run(regions, image, scaled).vectors];
  for (const [i, value] of a.entries()) expect(b[i]).toBeCloseTo(value, 10);
});

test.each([
  [768, 512, 24_226_304],
  [1024, 768, 38_853_376],
])("the paper's bridge of width %i has as many parameters as its formula says", (hidden, width, parameters) => {
  const own = new TracedWeights(
    { kind: "huggingface", path: "bridge", config: {} },
    (n) => n.endsWith(".bias"),
    (n) => n,
  );
  const graph = new Graph();
  const [tokens, seen] = [
    graph.input("tokens", "f32", [1, 2, 256]),
    graph.input("image", "f32", [1, 3, hidden]),
  ] as const;
  const sizes = { token: 256, hidden, width, layers: 3, heads: 8, ffn: 2048, imageNorm: false };
  graph.output("vectors", new RegionBridge(sizes, own).vectors(graph, tokens, seen).vectors);
  const counts = own.inputsOf(graph).map(({ tensor }) => (tensor.shape as number[]).reduce((a, b) => a * b, 1));
  expect(counts.reduce((a, b) => a + b)).toBe(parameters);
});
