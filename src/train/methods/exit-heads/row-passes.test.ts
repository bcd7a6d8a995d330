import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { traceDecider } from "../../../savings/depth/exits/deciders.ts";
import { traceExitHead } from "../../../savings/depth/exits/heads.ts";
import { seededRandom } from "../../../util/random.ts";
import { optimizerOptions } from "../../options.ts";
import { Optimizer } from "../../step/optimizer.ts";
import { ExitInputs } from "./exit-inputs.ts";
import { exitWeights } from "./labels.ts";
import { openFrozen } from "./model-head.ts";
import { RowPasses } from "./row-passes.ts";

const random = seededRandom(17);

test("the loss of three exits weighs them 1, 2 and 3 sixths", async () => {
  const [hidden, rows] = [6, 4];
  using passes = await RowPasses.create({
    ...{ hidden, rows, inputs: new ExitInputs() },
    logits: (g, weightsOf, x) => traceDecider(g, weightsOf, { kind: "controller" }, 0, x).found,
  });
  const matrix = passes.values("controller.weight");
  for (let i = 0; i < matrix.length; i++) matrix[i] = random() - 0.5;
  let [loss, means] = [0, [] as number[]];
  for (const share of exitWeights(3, "latest-heavy")) {
    const x = Float32Array.from({ length: rows * hidden }, () => random() - 0.5);
    const labels = [0, 1, 2, 1];
    passes.x.set(x);
    loss += await passes.add(labels, new Array(rows).fill(share / rows));
    const nats = labels.map((label, i) => {
      const logits = [0, 1, 2].map((c) =>
        matrix.slice(c * hidden, (c + 1) * hidden).reduce((s, w, k) => s + w * x[i * hidden + k]!, 0),
      );
      return Math.log(logits.reduce((s, logit) => s + Math.exp(logit), 0)) - logits[label]!;
    });
    means = [...means, nats.reduce((s, each) => s + each) / rows];
  }
  const [a, b, c] = means as [number, number, number];
  expect(loss).toBeCloseTo((a + 2 * b + 3 * c) / 6, 5);
});

test("a step changes the head's own weights, never the model's", async () => {
  const { plain } = await openFrozen(
    fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url)),
    "f32",
  );
  const hidden = plain.decoder.config.hidden;
  using passes = await RowPasses.create({
    ...{ hidden, rows: 3, inputs: new ExitInputs(plain) },
    logits: (g, weightsOf, x) => traceExitHead(g, plain.decoder, weightsOf, { mode: "norm" }, 1, x),
  });
  passes.values("head.1.gain").fill(1);
  const values = new Map(passes.store.parameters.map((p) => [p.name, passes.store.valuesOf(p).slice()]));
  expect([...values.keys()].sort()).toEqual(["head.1.gain", "output_norm.weight", "token_embd.weight"]);
  for (let i = 0; i < 3 * hidden; i++) passes.x[i] = random() - 0.5;
  const first = await passes.add([5, 6, 7], new Array(3).fill(1 / 3));
  using optimizer = await Optimizer.create(optimizerOptions.parse({}), passes.store);
  await optimizer.step({ count: 1, rate: 0.05, clip: 1 });
  passes.store.zeroGradients();
  const second = await passes.add([5, 6, 7], new Array(3).fill(1 / 3));
  expect(second).toBeLessThan(first);
  for (const [name, old] of values) {
    const same = passes.values(name).every((value, i) => value === old[i]);
    expect(same).toBe(name !== "head.1.gain");
  }
});
