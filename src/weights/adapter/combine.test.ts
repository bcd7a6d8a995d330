import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { safetensorsFile } from "../safetensors/read.ts";
import { type Combination, type CombinationType, combined, type Mask, seededMask } from "./combine.ts";
import { openLora } from "./lora.ts";

/** PEFT's merges: tools/reference/merges.py. */
const folder = fileURLToPath(new URL("./fixtures/merges", import.meta.url));
interface Merge {
  readonly name: string;
  readonly adapters: readonly string[];
  readonly weights: readonly number[];
  readonly combination_type: CombinationType;
  readonly density?: number;
  readonly majority_sign_method?: "total" | "frequency";
}
const merges: readonly Merge[] = JSON.parse(readFileSync(path.join(folder, "results.json"), "utf8"));
const results = safetensorsFile(path.join(folder, "results.safetensors"));
const result = (name: string): Float32Array => results.floats(results.tensors.get(name)!);

describe.each(merges)("$name", (merge) => {
  const loras = merge.adapters.map((name) => openLora(path.join(folder, name)));
  const modules = [...new Set(loras.flatMap(({ updates }) => [...updates.keys()]))];
  /** The masks drawn by torch. */
  const mask: Mask = ({ module, factor, adapter }) => {
    const drawn = result(`${merge.name}/${module}/${factor}/${adapter}`);
    return (i) => drawn[i] === 1;
  };
  const how: Combination = {
    ...{
      type: merge.combination_type,
      density: merge.density ?? 1,
      signs: merge.majority_sign_method ?? "total",
      mask,
    },
  };

  test.each(modules)("%s equals PEFT", (module) => {
    const updates = loras.flatMap(({ updates: all }, adapter) => {
      const update = all.get(module);
      if (!update) return [];
      const { rank, scale } = update;
      return [{ adapter, weight: merge.weights[adapter]! * scale, rank, a: update.a(), b: update.b() }];
    });
    const { rank, a, b } = combined(module, updates, how);
    const [theirA, theirB] = [result(`${merge.name}/${module}/A`), result(`${merge.name}/${module}/B`)];
    // For a module that an adapter lacks, PEFT uses zeros.
    const ranks = (theirA.length / a.length) * rank;
    const outputs = b.length / rank;
    expect(gap(a, theirA.subarray(0, a.length))).toBeLessThan(1e-6);
    expect(theirA.subarray(a.length).every((v) => v === 0)).toBe(true);
    const ours = Float32Array.from(theirB, (_, i) =>
      i % ranks < rank ? b[Math.floor(i / ranks) * rank + (i % ranks)]! : 0,
    );
    expect(theirB.length).toBe(outputs * ranks);
    expect(gap(ours, theirB)).toBeLessThan(1e-6);
    expect(a.some((v) => v !== 0) && b.some((v) => v !== 0)).toBe(true);
  });
});

const gap = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), a.length === b.length ? 0 : Number.NaN);

test("our masks are a function of seed and place, and keep the share", () => {
  const drawn = (seed: number, adapter: number, module = "q_proj") => {
    const isKept = seededMask(seed)({ module, factor: "A", adapter, density: 0.3 });
    return Array.from({ length: 10_000 }, (_, i) => isKept(i));
  };
  expect(drawn(1, 0)).toEqual(drawn(1, 0));
  for (const other of [drawn(2, 0), drawn(1, 1), drawn(1, 0, "k_proj")]) expect(other).not.toEqual(drawn(1, 0));
  expect(drawn(1, 0).filter(Boolean).length / 10_000).toBeCloseTo(0.3, 1);
});
