import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { type Combination, seededMask } from "./combine.ts";
import { openLora } from "./lora.ts";
import { mergeAdapters, writeMerged } from "./merged.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-merged-"));
afterAll(() => rmSync(root, { recursive: true }));
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const merges = (name: string) => fixture(`merges/${name}`);

const how = (type: Combination["type"], density = 1): Combination => ({
  ...{ type, density, signs: "total", mask: seededMask(3) },
});
const adapters = (...names: string[]) => names.map((name) => ({ folder: merges(name), weight: 1 }));

/** A copy of an adapter with other settings. */
function changed(name: string, from: string, settings: object): string {
  const folder = path.join(root, name);
  cpSync(from, folder, { recursive: true });
  const file = path.join(folder, "adapter_config.json");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...settings }));
  return folder;
}

test("what is written is read as the sum, with modules of other ranks", async () => {
  const merged = mergeAdapters(adapters("one", "two", "three"), how("cat"));
  const folder = path.join(root, "written");
  mkdirSync(folder);
  await writeMerged(folder, merged);
  const read = openLora(folder);
  expect([...read.updates.keys()].toSorted()).toEqual([...merged.lora.updates.keys()].toSorted());
  for (const [module, { rank, a, b }] of merged.lora.updates) {
    const update = read.updates.get(module)!;
    expect([update.rank, update.scale]).toEqual([rank, 1]);
    expect(update.a()).toEqual(a());
    expect(update.b()).toEqual(b());
  }
  const config = JSON.parse(readFileSync(path.join(folder, "adapter_config.json"), "utf8"));
  expect(config).toMatchObject({ r: 10, lora_alpha: 10, use_rslora: false, base_model_name_or_path: "llama-biased" });
  // `two` has no down_proj.
  expect(config.rank_pattern).toEqual(config.alpha_pattern);
  expect(Object.values(config.rank_pattern)).toEqual([6, 6]);
});

test("dare's masks follow from the seed", () => {
  const at = (seed: number) => {
    const { lora } = mergeAdapters(adapters("one", "two"), { ...how("dare_linear", 0.5), mask: seededMask(seed) });
    return [...lora.updates.values()].map(({ a }) => [...a()]);
  };
  expect(at(3)).toEqual(at(3));
  expect(at(3)).not.toEqual(at(4));
});

test("one adapter by cat is itself", () => {
  const { lora } = mergeAdapters(adapters("one"), how("cat"));
  for (const [module, update] of openLora(merges("one")).updates) {
    const own = lora.updates.get(module)!;
    expect(own.b()).toEqual(update.b());
    expect(own.a()).toEqual(update.a().map((value) => value * update.scale));
  }
});

describe("refused in one sentence", () => {
  test.each([
    ["unequal ranks", () => adapters("one", "three"), /three: its .* has rank 2, but that of .*one has 4; linear/],
    [
      "another base's name",
      () => [
        ...adapters("one"),
        { folder: changed("other", merges("two"), { base_model_name_or_path: "qwen" }), weight: 1 },
      ],
      /other: this adapter is for "qwen", but .*one is for "llama-biased"/,
    ],
    [
      "another base's shapes",
      () => [
        ...adapters("one"),
        { folder: changed("gguf", fixture("llama-gguf"), { base_model_name_or_path: null }), weight: 1 },
      ],
      /gguf: its .*q_proj is \[\d+, \d+\], but that of .*one is/,
    ],
    ["no adapter", () => [{ folder: root, weight: 1 }], /there is no adapter_config\.json/],
    [
      "DoRA",
      () => [{ folder: changed("dora", merges("one"), { use_dora: true }), weight: 1 }],
      /"use_dora" is set, only plain LoRA/,
    ],
  ])("%s", (_, given, says) => {
    expect(() => mergeAdapters(given(), how("linear"))).toThrow(says);
  });
});
