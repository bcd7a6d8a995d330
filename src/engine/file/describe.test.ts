import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { load } from "../../index.ts";
import { openDecoder } from "../../models/registry.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import { savingNamed } from "../../savings/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { Recipes } from "../decode/run/recipes.ts";
import { describeModel } from "./describe.ts";

/** The machine's memory, as mocked. */
const machine = vi.hoisted(() => ({ bytes: 1e12 }));
vi.mock("../../weights/prepared/memory.ts", async (original) => ({
  ...(await original<typeof import("../../weights/prepared/memory.ts")>()),
  memoryLimit: () => machine.bytes,
}));
beforeEach(() => {
  machine.bytes = 1e12;
});

const home = mkdtempSync(path.join(tmpdir(), "modicum-describe-"));
vi.stubEnv("MODICUM_HOME", home);
afterAll(() => rmSync(home, { recursive: true }));

const needsOf = (name: string): readonly string[] => savingNamed(name).needs;
const fixtureOf = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));
async function describe(name: string, quant?: Quant) {
  const file = path.isAbsolute(name) ? name : fixtureOf(name);
  return describeModel({ name: "tiny", path: file, bytes: 0, source: "file" }, quant);
}

test("a decoder", async () => {
  const description = await describe("llama-tiny.gguf", "f32");
  expect(description).toMatchObject({
    kind: "decoder",
    architecture: "llama",
    seams: ["attention", "between layers", "head", "tokens in"],
  });
  const { layers, kvHeads, headSize, context } = description.config;
  expect(description.bytes.cache).toBe(2 * 4 * layers * kvHeads * headSize * context);
  // Each weight is multiplied and added once; attention is additional and grows with the context.
  expect(description.flopsPerToken.empty).toBeGreaterThan(description.parameters);
  expect(description.flopsPerToken.full).toBeGreaterThan(description.flopsPerToken.empty);
  expect(description).not.toHaveProperty("embedding");
  expect(description).not.toHaveProperty("labels");
});

test("a model whose images are not read says so, and others do not", async () => {
  expect(await describe("gemma4-images", "f32")).toMatchObject({ textAlone: true });
  for (const name of ["gemma4", "gemma3-vision"]) expect(await describe(name, "f32")).not.toHaveProperty("textAlone");
});

test("a missing tokenizer is named; a GGUF has its own, and an image encoder needs none", async () => {
  expect((await describe("gemma4", "f32")).noTokenizer).toMatch(/gemma4.tokenizer\.json$/);
  for (const name of ["gemma3-vision", "llama-tiny.gguf", "vit"])
    expect(await describe(name, "f32")).not.toHaveProperty("noTokenizer");
});

test("a folder with a configuration alone: an unknown architecture is named, else the missing weights", async () => {
  const config = JSON.parse(readFileSync(path.join(fixtureOf("granite"), "config.json"), "utf8"));
  const alone = (model_type: string) => {
    const folder = mkdtempSync(path.join(home, "alone-"));
    writeFileSync(path.join(folder, "config.json"), JSON.stringify({ ...config, model_type }));
    return describeModel({ name: "alone", path: folder, source: "file", bytes: 0 });
  };
  await expect(alone("mystery")).rejects.toThrow(/"mystery" is not supported; the nearest .* is "granite"$/);
  await expect(alone("granite")).rejects.toThrow(
    /there are no weights in this folder, .*; its architecture, "granite", is supported$/,
  );
});

test("savings that a run would refuse are told with what is in their way", async () => {
  const description = await describe("gemma3", "f32");
  const why = "attention that differs between layers";
  expect(description).toMatchObject({ unsupported: { xattention: why } });
  const { decoder, weights } = await openDecoder(openCheckpoint(fixtureOf("gemma3")), path.join(home, "gemma3"), "f32");
  const recipes = new Recipes({ decoder, hash: async () => "" }, async () => {});
  await expect(recipes.use(parseRecipe(["xattention"]))).rejects.toThrow(
    `xattention does not support this model: it has ${why}`,
  );
  weights.abandon();
  expect((await describe("llama-tiny.gguf")).unsupported).not.toHaveProperty("xattention");
});

test("a recurrent decoder: the same memory and FLOPs at any length, and no seam at an attention that it has not", async () => {
  const description = await describe("mamba/model.gguf", "f32");
  expect(description).toMatchObject({
    kind: "decoder",
    architecture: "mamba",
    seams: ["between layers", "head", "tokens in"],
    savings: expect.arrayContaining(["exit"]),
  });
  // The convolution's last inputs and the state of each channel.
  expect(description.bytes.cache).toBe(4 * description.config.layers * 48 * (3 + 5));
  expect(description.flopsPerToken.full).toBe(description.flopsPerToken.empty);
  const why = "recurrent layers, whose states need every token";
  const states = "recurrent layers, whose states cannot be rolled back";
  const steps = "recurrent layers, whose steps are too sensitive to rounding";
  expect(description.unsupported).toMatchObject({ feather: why, "int8-prefill": steps, lookup: states, prune: why });
  const { savings, unsupported } = description;
  expect(savings.filter((name) => Object.hasOwn(unsupported, name) || needsOf(name).includes("attention"))).toEqual([]);
});

test("a hybrid: keys of the layers that attend, states of the others, and what its recurrent layers rule out", async () => {
  const description = await describe("granitemoehybrid/model.gguf", "f32");
  expect(description).toMatchObject({
    architecture: "granitehybrid",
    seams: ["attention", "between layers", "head", "tokens in"],
  });
  // Two layers have attention, with one head of 16; four have a state of 64 · 6 numbers, and two inputs of 88 channels.
  const { context } = description.config;
  expect(description.bytes.cache).toBe(4 * (2 * 2 * 16 * context + 4 * (64 * 6 + 2 * 88)));
  expect(description.flopsPerToken.full).toBeGreaterThan(description.flopsPerToken.empty);
  expect(description.activeParameters).toBeLessThan(description.parameters);
  expect(description.savings).toContain("exit");
  const { unsupported } = description;
  expect(unsupported["prune"]).toBe("recurrent layers, whose states need every token");
  expect(unsupported["lookup"]).toBe("recurrent layers, whose states cannot be rolled back");
  expect(unsupported["int8-prefill"]).toBe("recurrent layers, whose steps are too sensitive to rounding");
  expect(unsupported["xattention"]).toBe("a custom attention scale");
});

test("a recurrent decoder's stability at rest, of a GGUF and of Hugging Face's files; none of a model that attends", async () => {
  const { lambdaMax, memory } = (await describe("mamba/model.gguf", "f32")).stability!;
  expect(lambdaMax).toBeLessThan(0);
  expect(memory).toBeCloseTo(-1 / lambdaMax, 9);
  expect((await describe("mamba", "f32")).stability!.lambdaMax).toBeCloseTo(lambdaMax, 4);
  expect((await describe("mamba2", "f32")).stability!.lambdaMax).toBeLessThan(0);
  expect((await describe("granitemoehybrid", "f32")).stability!.lambdaMax).toBeLessThan(0);
  expect((await describe("rnn", "f32")).stability).toBeUndefined();
  expect((await describe("llama-tiny.gguf")).stability).toBeUndefined();
});

test("an encoder of embeddings, by a GGUF's pooling", async () => {
  const description = await describe("bert/model.gguf");
  expect(description).toMatchObject({ kind: "encoder", architecture: "bert", seams: [], savings: [], unsupported: {} });
  expect(description.embedding).toEqual({ pooling: "cls", normalise: true, limit: undefined });
  expect(description.bytes.cache).toBe(0);
  expect(description.flopsPerToken.full).toBeGreaterThan(description.flopsPerToken.empty);
});

test("an encoder by sentence-transformers' files, and with a head", async () => {
  const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  expect((await describe(fixture("sentences"))).embedding).toBeDefined();
  expect((await describe("roberta/model.gguf")).labels).toEqual(["LABEL_0", "LABEL_1", "LABEL_2"]);
});

test("an encoder with a decoder", async () => {
  const description = await describe("t5");
  expect(description).toMatchObject({ kind: "encoder with a decoder", config: { layers: 3, encoderLayers: 2 } });
  expect(description.sourceFlopsPerToken!.full).toBeGreaterThan(description.sourceFlopsPerToken!.empty);
  expect(description.flopsPerToken.empty).toBeGreaterThan(description.sourceFlopsPerToken!.empty);
});

test.each(["llama-tiny.gguf", "bert", "t5"])(
  "%s: its tensors in 8 bits, what they cost, nothing prepared",
  async (name) => {
    const description = await describe(name, "q8");
    expect(existsSync(path.join(home, "programs"))).toBe(false);
    const sum = (of: "bytes" | "stored") => description.tensors.reduce((total, row) => total + row[of], 0);
    expect(description.bytes.memory).toBeGreaterThanOrEqual(sum("bytes"));
    expect(sum("stored")).toBeLessThanOrEqual(description.bytes.disk);
    const rounded = description.tensors.filter(({ exact }) => !exact);
    expect(rounded.length).toBeGreaterThan(0);
    for (const { form, error } of rounded) {
      expect(form).toBe("rounded to 8 bits in blocks of 32");
      // Normally distributed numbers; the largest of 32 is about 2: steps of 2/127, with an error of √(1/12) step.
      expect(error).toBeGreaterThan(0.003);
      expect(error).toBeLessThan(0.008);
    }
    for (const { exact, error } of description.tensors) expect(error === undefined).toBe(exact);
  },
);

test("4 bits are further off", async () => {
  const [four] = (await describe("t5", "q4")).tensors.filter(({ form }) => form.startsWith("rounded to 4"));
  expect(four!.error).toBeGreaterThan(0.05);
  expect(four!.error).toBeLessThan(0.15);
});

test("a model that does not fit in memory is described, and not loaded", async () => {
  machine.bytes = 1000;
  const description = await describe("llama-tiny.gguf");
  expect(description.bytes).toMatchObject({ machine: 1000 });
  expect(description.bytes.memory).toBeGreaterThan(1000);
  await expect(load(fixtureOf("llama-tiny.gguf"))).rejects.toThrow(/its weights take 0\.0 GB of memory/);
});
