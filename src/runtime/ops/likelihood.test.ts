import { expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { Graph } from "../../graph/graph.ts";
import { logLikelihoods } from "../../graph/ops/likelihood.ts";
import { integers, noise, type Trial, worst } from "../compare.testing.ts";

test.each([
  { shape: [1, 1, 5], targets: 1, reach: 1 },
  { shape: [1, 3, 33], targets: 1, reach: 20 },
  { shape: [2, 2, 1000], targets: 4, reach: 80 },
])("log-likelihoods of $targets targets on $shape equal their reference", async ({ shape, targets, reach }) => {
  const x = noise(1, shape, [sym("batch"), sym("tokens"), shape[2]!]);
  const logits = { ...x, data: Float32Array.from(x.data as Float32Array, (v) => reach * v) };
  const symbolic = [sym("batch"), sym("tokens"), sym("targets")];
  const wanted = { ...integers(2, "i64", [shape[0]!, shape[1]!, targets], shape[2]!), symbolic };
  const bindings = { batch: shape[0]!, tokens: shape[1]!, targets };
  const trace: Trial["trace"] = (t) => ({ ...logLikelihoods(t["logits"]!, t["wanted"]!) });
  const trial = { inputs: { logits, wanted }, bindings, trace };
  expect(await worst(trial)).toBeLessThan(1e-5);
});

test("targets of another shape than the rows are refused", () => {
  const g = new Graph();
  const [logits, targets] = [g.input("logits", "f32", [1, 3, 9]), g.input("targets", "i64", [1, 2, 1])];
  expect(() => logLikelihoods(logits, targets)).toThrow(/logLikelihoods: operand "targets" is i64\[1, 2, 1\]/);
});
