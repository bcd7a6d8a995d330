import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { writeTensors } from "../safetensors/write.ts";
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

/** Copies an adapter with other settings. */
function changed(name: string, from: string, settings: object): string {
  const folder = path.join(root, name);
  cpSync(from, folder, { recursive: true });
  const file = path.join(folder, "adapter_config.json");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...settings }));
  return folder;
}

/** Copies an adapter and adds a prompt record, such as training writes. */
function recorded(name: string, from: string, record: object): string {
  const folder = changed(name, from, {});
  writeFileSync(path.join(folder, "modicum.json"), JSON.stringify(record));
  return folder;
}

const weightOne = (...folders: string[]) => folders.map((folder) => ({ folder, weight: 1 }));

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

test("settings are those of plain LoRA on whole names; others of the sources would not hold for the sum", () => {
  const one = changed("layers", merges("one"), { layers_to_transform: [0], layers_pattern: "layers", note: 1 });
  const two = changed("transposed", merges("two"), { fan_in_fan_out: true });
  const { config } = mergeAdapters(weightOne(one, two), how("cat"));
  expect(config).toMatchObject({ peft_type: "LORA", task_type: "CAUSAL_LM", layers_to_transform: null });
  expect(config).toMatchObject({ layers_pattern: null, fan_in_fan_out: true, bias: "none" });
  expect(config).not.toHaveProperty("note");
});

test("the base's name is that of the first adapter that has one", () => {
  const nameless = changed("nameless", merges("one"), { base_model_name_or_path: null });
  const { config } = mergeAdapters(weightOne(nameless, merges("two")), how("linear"));
  expect(config).toMatchObject({ base_model_name_or_path: "llama-biased" });
});

test("the record of prompts is kept if each adapter has it", async () => {
  const record = { prompt: "chat", template: "a".repeat(64) };
  const [one, two] = ["one", "two"].map((name) => recorded(`recorded-${name}`, merges(name), record)) as [
    string,
    string,
  ];
  expect(mergeAdapters(weightOne(one, two), how("linear")).lora.record).toEqual(record);
  expect(mergeAdapters(weightOne(one, merges("two")), how("linear")).lora.record).toBeUndefined();
});

test("both factors are computed once, and held until both have been read", () => {
  const calls: string[] = [];
  const mask: Combination["mask"] = ({ factor }) => {
    calls.push(factor);
    return () => true;
  };
  const { lora } = mergeAdapters(adapters("one", "two"), { ...how("dare_linear", 0.5), mask });
  const { a, b } = [...lora.updates].find(([module]) => module.endsWith("q_proj"))![1];
  const first = a();
  b();
  expect(calls).toEqual(["A", "A", "B", "B"]);
  expect(a()).not.toBe(first);
  expect(b()).toHaveLength(64 * 4);
  expect(calls).toHaveLength(8);
});

describe("refused in one sentence", () => {
  test.each([
    ["unequal ranks", () => adapters("one", "three"), /three: its .* has rank 2, but in .*one it has rank 4; linear/],
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
      /gguf: its .*q_proj is \[\d+, \d+\], but in .*one it is/,
    ],
    [
      "another base's name in the third, the first without one",
      () =>
        weightOne(
          changed("no-base", merges("one"), { base_model_name_or_path: null }),
          merges("two"),
          changed("third", merges("two"), { base_model_name_or_path: "qwen" }),
        ),
      /third: this adapter is for "qwen", but .*two is for "llama-biased"/,
    ],
    [
      "prompts of another form",
      () =>
        weightOne(
          merges("one"),
          recorded("chat", merges("two"), { prompt: "chat" }),
          recorded("raw", merges("two"), { prompt: "raw" }),
        ),
      /raw: this adapter was trained on plain text, but .*chat on a chat;/,
    ],
    [
      "another template",
      () =>
        weightOne(
          recorded("old", merges("one"), { prompt: "chat", template: "a".repeat(64) }),
          recorded("new", merges("two"), { prompt: "chat", template: "b".repeat(64) }),
        ),
      /new: this adapter and .*old were trained with different chat templates/,
    ],
    ["no adapter", () => [{ folder: root, weight: 1 }], /there is no adapter_config\.json/],
    [
      "DoRA",
      () => weightOne(path.join(import.meta.dirname, "fixtures/llama-dora")),
      /llama-dora: this adapter is a DoRA, .* so it cannot be merged with others; use export --format safetensors/,
    ],
  ])("%s", (_, parts, says) => {
    expect(() => mergeAdapters(parts(), how("linear"))).toThrow(says);
  });

  // `two` has no down_proj, so the first adapter does not determine its shape.
  test.each(["linear", "cat"] as const)("%s of shapes that differ between the second and the third", async (type) => {
    const module = "model.layers.1.mlp.down_proj";
    const folder = changed(`narrow-${type}`, merges("one"), {});
    const zeros = (...shape: [number, number]) => ({ shape, values: () => new Float32Array(shape[0] * shape[1]) });
    const tensors = new Map([
      [`base_model.model.${module}.lora_A.weight`, zeros(4, 24)],
      [`base_model.model.${module}.lora_B.weight`, zeros(16, 4)],
    ]);
    await writeTensors(path.join(folder, "adapter_model.safetensors"), tensors);
    expect(() => mergeAdapters(weightOne(merges("two"), merges("one"), folder), how(type))).toThrow(
      new RegExp(`narrow-${type}: its ${module} is \\[16, 24\\], but in .*one it is \\[32, 40\\]`),
    );
  });
});
