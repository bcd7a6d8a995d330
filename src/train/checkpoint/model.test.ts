import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { gemma3 } from "../../models/architectures/gemma3.ts";
import { gptOss } from "../../models/architectures/gpt-oss.ts";
import { gpt2 } from "../../models/architectures/gpt2.ts";
import { llama } from "../../models/architectures/llama.ts";
import { phi3 } from "../../models/architectures/phi3.ts";
import { qwen3 } from "../../models/architectures/qwen3.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { writeModel } from "./model.ts";
import { configOf, fixture, tensorsOf } from "./written.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-checkpoint-"));
afterAll(() => rmSync(folder, { recursive: true }));

const cases = [
  ["llama-biased", llama],
  ["gpt2", gpt2],
  ["gemma3", gemma3],
  ["gpt_oss-limits", gptOss],
  ["phi3", phi3],
  ["qwen3", qwen3],
] as const;

const bits = (values: Float32Array) => Buffer.from(values.slice().buffer).toString("hex");

describe.each(cases)("%s", (name, architecture) => {
  const original = openCheckpoint(fixture(name));
  const names = architecture.tensors(original);
  const tensors = tensorsOf(original, architecture, names);

  test("a new model reads back bit by bit, under the names of its kind", async () => {
    const out = path.join(folder, name, "new");
    const bare: Checkpoint = { ...original, tensors: new Map() };
    await writeModel(out, { config: configOf(original), names: architecture.tensors(bare), tensors });
    const written = openCheckpoint(out);
    const read = tensorsOf(written, architecture, architecture.tensors(written));
    expect(tensors.size).toBeGreaterThan(10);
    expect([...read.keys()]).toEqual([...tensors.keys()]);
    for (const [canonical, { shape, values }] of tensors) {
      expect(read.get(canonical)!.shape).toEqual(shape);
      expect(bits(read.get(canonical)!.values())).toBe(bits(values()));
    }
    for (const stored of original.tensors.values()) {
      expect(written.tensors.get(stored.name)?.shape).toEqual(stored.shape);
      // Gains stored as gain − 1 lose their last bits.
      if (name !== "gemma3")
        expect(bits(written.floats(written.tensors.get(stored.name)!))).toBe(bits(original.floats(stored)));
    }
  });

  test("untrained tensors come from the base", async () => {
    const out = path.join(folder, name, "tuned");
    const [first] = tensors.keys();
    const tuned = { shape: tensors.get(first!)!.shape, values: () => tensors.get(first!)!.values().fill(0.5) };
    await writeModel(out, { config: configOf(original), names, tensors: new Map([[first!, tuned]]), base: original });
    const written = openCheckpoint(out);
    const changed = [...original.tensors.values()].filter(
      (stored) => bits(written.floats(written.tensors.get(stored.name)!)) !== bits(original.floats(stored)),
    );
    expect([...written.tensors.keys()].toSorted()).toEqual([...original.tensors.keys()].toSorted());
    expect(changed.map((stored) => stored.name)).toEqual([namedBy(names, first!)]);
  });
});

function namedBy(names: Names, canonical: string): string {
  const canonicalNames = names(canonical);
  return typeof canonicalNames === "string" ? canonicalNames : canonicalNames.name;
}

test("a quantised base is refused before anything is written", async () => {
  const base = openCheckpoint(fixture("gpt_oss-mxfp4"));
  const out = path.join(folder, "blocks");
  const written = writeModel(out, { config: configOf(base), names: gptOss.tensors(base), tensors: new Map(), base });
  await expect(written).rejects.toThrow(/experts\.\w+" is in MXFP4, which cannot be written as floats; use the/);
  expect(existsSync(out)).toBe(false);
});

test("the configuration describes the files: float32, with or without a head of its own", async () => {
  const checkpoint = openCheckpoint(fixture("llama-biased"));
  const names = llama.tensors(checkpoint);
  const tensors = tensorsOf(checkpoint, llama, names);
  const table = tensors.get("token_embd.weight")!;
  const config = { ...configOf(checkpoint), dtype: "bfloat16", tie_word_embeddings: "?" };
  const written = async (out: string, head: boolean) => {
    const all = new Map(tensors);
    if (head) all.set("output.weight", table);
    else all.delete("output.weight");
    await writeModel(path.join(folder, out), { config, names, tensors: all });
    return JSON.parse(readFileSync(path.join(folder, out, "config.json"), "utf8"));
  };
  expect(await written("tied", false)).toMatchObject({ dtype: "float32", tie_word_embeddings: true });
  expect(await written("untied", true)).toMatchObject({ dtype: "float32", tie_word_embeddings: false });
  expect(readdirSync(path.join(folder, "tied")).toSorted()).toEqual(["config.json", "model.safetensors"]);
});
