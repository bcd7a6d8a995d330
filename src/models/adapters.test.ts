import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../util/errors.ts";
import { withAdapter } from "../weights/adapter/merge.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import type { Quant } from "../weights/prepared/weights.ts";
import { openDecoder } from "./registry.ts";
import { Stack } from "./stack.testing.ts";

/** By PEFT: tools/reference/adapters.py. */
const adapters = fileURLToPath(new URL("../weights/adapter/fixtures", import.meta.url));
const bases = fileURLToPath(new URL("fixtures", import.meta.url));
const root = mkdtempSync(path.join(tmpdir(), "modicum-adapters-"));
afterAll(() => rmSync(root, { recursive: true }));

interface Reference {
  base: string;
  tokens: number[];
  logits: string;
}
const referenceOf = (name: string): Reference =>
  JSON.parse(readFileSync(path.join(adapters, name, "reference.json"), "utf8"));

async function logits(base: string, tokens: readonly number[], adapter?: string, quant: Quant = "f32") {
  const plain = openCheckpoint(path.join(bases, base));
  const checkpoint = adapter === undefined ? plain : withAdapter(plain, adapter);
  const { decoder, weights } = openDecoder(checkpoint, path.join(root, base), quant);
  using stack = await Stack.compile(decoder, weights, "whole");
  return await stack.run(tokens);
}

const gap = (a: Float32Array, b: Float32Array): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((v, i) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - b[i]!))));
};

describe.each(["llama", "gpt2"])("%s with an adapter equals PEFT", (name) => {
  const { base, tokens, logits: packed } = referenceOf(name);
  const expected = new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);
  const adapter = path.join(adapters, name);

  test("in float32, and the model without it stays what it is", async () => {
    const before = await logits(base, tokens);
    expect(gap(await logits(base, tokens, adapter), expected)).toBeLessThan(1e-4);
    const after = await logits(base, tokens);
    expect(after).toEqual(before);
    expect(gap(after, expected)).toBeGreaterThan(1);
  });

  test("rounded to 8 bits, nearly", async () => {
    const got = await logits(base, tokens, adapter, "q8");
    const error = Math.hypot(...got.map((v, i) => v - expected[i]!)) / Math.hypot(...expected);
    expect(error).toBeGreaterThan(1e-3);
    expect(error).toBeLessThan(0.1);
  });
});

describe("an adapter that does not fit: one sentence", () => {
  const llama = path.join(adapters, "llama");
  const at = (base: string, folder: string) => () => withAdapter(openCheckpoint(path.join(bases, base)), folder);

  /** The adapter with other settings. */
  async function spoilt(change: Record<string, unknown>): Promise<string> {
    const folder = mkdtempSync(path.join(root, "spoilt-"));
    await cp(llama, folder, { recursive: true });
    const file = path.join(folder, "adapter_config.json");
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...change }));
    return folder;
  }

  test("of another model, or none at all", () => {
    expect(at("gpt2", llama)).toThrow(
      /does not fit .*gpt2: model\.layers\.0\.\S+ is not in the model \(and 7 more of its 8/,
    );
    expect(at("olmo2", llama)).toThrow(/"model\.layers\.0\.\S+" is \[.*\], the adapter's update \[.*\]/);
    expect(at("qwen2/model.gguf", llama)).toThrow(/this is a GGUF/);
    expect(at("llama-biased", bases)).toThrow(/there is no adapter_config\.json/);
    expect(at("llama-biased", path.join(root, "nothing"))).toThrow(UserError);
  });

  test.each([
    [{ peft_type: "IA3" }, '"peft_type" is "IA3", expected "LORA"'],
    [{ lora_alpha: -1 }, '"lora_alpha" is -1, expected a number above 0'],
    [{ lora_alpha: undefined }, '"lora_alpha" is missing'],
    [{ use_dora: true }, '"use_dora" is set, only plain LoRA'],
    [{ alpha_pattern: { q_proj: 2 } }, '"alpha_pattern" is {"q_proj":2}'],
    [{ init_lora_weights: "pissa" }, '"init_lora_weights" is "pissa"'],
  ])("settings %j", async (change, says) => {
    const folder = await spoilt(change);
    expect(at("llama-biased", folder)).toThrow(UserError);
    expect(at("llama-biased", folder)).toThrow(says);
  });
});
