import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { llama } from "../../models/architectures/llama.ts";
import { openLora } from "../../weights/adapter/lora.ts";
import { writeRecord } from "../../weights/adapter/record.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import { loraOptions } from "../options.ts";
import { writeAdapter } from "./adapter.ts";
import { interpolateAdapter, interpolateModels } from "./interpolate.ts";
import { factorsOf, fixture, tensorsOf } from "./written.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-between-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);

const base = openCheckpoint(fixture("llama-biased"));
/** The same model with 1 added to every weight. */
const tuned: Checkpoint = { ...base, path: "tuned", floats: (tensor) => base.floats(tensor).map((value) => value + 1) };

test("weights lie between the two models', and the folder opens as a model", async () => {
  await interpolateModels({ base, tuned }, 0.25, at("quarter"));
  const blend = openCheckpoint(at("quarter"));
  expect([...blend.tensors.keys()].sort()).toEqual([...base.tensors.keys()].sort());
  for (const tensor of blend.tensors.values()) {
    const from = base.floats(base.tensors.get(tensor.name)!);
    const far = blend.floats(tensor).reduce((most, value, i) => Math.max(most, Math.abs(value - from[i]! - 0.25)), 0);
    expect(far, tensor.name).toBeLessThan(1e-6);
  }
});

test("a share of 0 is the base, to the last bit", async () => {
  await interpolateModels({ base, tuned }, 0, at("none"));
  const blend = openCheckpoint(at("none"));
  for (const [name, tensor] of base.tensors)
    expect(blend.floats(blend.tensors.get(name)!), name).toEqual(base.floats(tensor));
});

test("models with other tensors are refused, and so are GGUFs", async () => {
  const [first, ...others] = base.tensors;
  const less: Checkpoint = { ...tuned, tensors: new Map(others) };
  await expect(interpolateModels({ base, tuned: less }, 0.5, at("x"))).rejects.toThrow(
    `tuned: expected a tensor ${first![0]} of shape`,
  );
  await expect(interpolateModels({ base: { ...base, tensors: less.tensors }, tuned }, 0.5, at("x"))).rejects.toThrow(
    `expected a tensor ${first![0]} as in tuned`,
  );
  const gguf = openCheckpoint(fixture("llama-tiny.gguf"));
  await expect(interpolateModels({ base: gguf, tuned }, 0.5, at("x"))).rejects.toThrow(
    /llama-tiny\.gguf: cannot interpolate the weights of a GGUF/,
  );
});

test("an adapter's update is scaled, also if modules have their own alphas", async () => {
  const names = llama.tensors(base);
  const factors = factorsOf(tensorsOf(base, llama, names), ["attn_q"], 2, () => 0.75);
  const layout = { modules: (name: string) => [name.replaceAll(".", "_")], row: (_: string, row: number) => row };
  await writeAdapter(at("adapter"), {
    ...{ base: "b", task: "CAUSAL_LM", lora: loraOptions.parse({ rank: 2, alpha: 4 }), layout, names, factors },
  });
  await writeRecord(at("adapter"), { prompt: "raw" });
  await interpolateAdapter(at("adapter"), 0.5, at("half"));
  expect(openLora(at("half")).record).toEqual({ prompt: "raw" });
  const scales = (name: string) => [...openLora(at(name)).updates.values()].map((update) => update.scale);
  expect(scales("half")).toEqual(scales("adapter").map((scale) => scale / 2));
  const file = path.join(at("adapter"), "adapter_config.json");
  const settings = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...settings, alpha_pattern: { blk_0_attn_q: 8 } }));
  await interpolateAdapter(at("adapter"), 0.25, at("quarter"));
  expect(scales("quarter")).toEqual(scales("adapter").map((scale) => scale / 4));
  expect(scales("quarter")[0]).toBe(1);
});

test("a DoRA is refused: a share of its update is no adapter", async () => {
  const dora = path.join(import.meta.dirname, "../../weights/adapter/fixtures/llama-dora");
  await expect(interpolateAdapter(dora, 0.5, path.join(folder, "half-dora"))).rejects.toThrow(
    /llama-dora: this adapter is a DoRA, .* so it cannot be interpolated;/,
  );
});
