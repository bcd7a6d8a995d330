import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { openLora } from "../../weights/adapter/lora.ts";
import { isMergeable, withAdapter } from "../../weights/adapter/merge.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { prepare } from "../programs/programs.ts";
import { traceDense } from "../programs/segments.ts";
import { type Cut, Stack } from "../programs/stack.testing.ts";
import { openDecoder } from "../registry.ts";

/** PEFT's results: tools/reference/adapters.py. */
const adapters = fileURLToPath(new URL("../../weights/adapter/fixtures", import.meta.url));
const bases = fileURLToPath(new URL("../fixtures", import.meta.url));
const root = mkdtempSync(path.join(tmpdir(), "modicum-adapters-"));
afterAll(() => rmSync(root, { recursive: true }));

interface Reference {
  base: string;
  tokens: number[];
  logits: string;
}
const referenceOf = (name: string): Reference =>
  JSON.parse(readFileSync(path.join(adapters, name, "reference.json"), "utf8"));

interface Form {
  readonly quant?: Quant;
  readonly cut?: Cut;
}

/** Logits of a base in `fixtures`: without an adapter, with a merged adapter, or with a separate one. */
async function logits(base: string, tokens: readonly number[], own: MergeFixture | Apart | undefined, form: Form = {}) {
  const plain = openCheckpoint(path.join(bases, base));
  const checkpoint = own && "merged" in own ? withAdapter(plain, openLora(own.merged)) : plain;
  const apart = own && "apart" in own ? openLora(own.apart) : undefined;
  const { decoder, weights } = await openDecoder(checkpoint, path.join(root, base), form.quant ?? "f32", apart);
  using stack = await Stack.compile(decoder, weights, form.cut ?? "whole");
  weights.loraLayers?.check(base);
  return await stack.run(tokens);
}

interface MergeFixture {
  readonly merged: string;
}
interface Apart {
  readonly apart: string;
}

const gap = (a: Float32Array, b: Float32Array): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((v, i) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - b[i]!))));
};

const error = (got: Float32Array, expected: Float32Array): number =>
  Math.hypot(...got.map((v, i) => v - expected[i]!)) / Math.hypot(...expected);

function fixture(name: string) {
  const { base, tokens, logits: packed } = referenceOf(name);
  const expected = new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);
  return { base, tokens, expected, folder: path.join(adapters, name) };
}

describe.each(["llama", "gpt2", "llama-head", "llama-dora", "gpt2-dora"])("%s merged into its base", (name) => {
  const { base, tokens, expected, folder } = fixture(name);

  test("equals PEFT, and the model without it stays what it is", async () => {
    const before = await logits(base, tokens, undefined);
    expect(gap(await logits(base, tokens, { merged: folder }), expected)).toBeLessThan(1e-4);
    const after = await logits(base, tokens, undefined);
    expect(after).toEqual(before);
    expect(gap(after, expected)).toBeGreaterThan(1);
  });

  test("rounded to 8 bits, nearly", async () => {
    const got = await logits(base, tokens, { merged: folder }, { quant: "q8" });
    expect(error(got, expected)).toBeGreaterThan(1e-3);
    expect(error(got, expected)).toBeLessThan(0.1);
  });

  test("kept apart, it is the same within 1e-5", async () => {
    const merged = await logits(base, tokens, { merged: folder });
    // The largest logit is between 7 and 10.
    const unit = Math.max(...merged.map(Math.abs));
    expect(gap(await logits(base, tokens, { apart: folder }), merged) / unit).toBeLessThan(1e-5);
  });
});

describe.each([
  ...["llama", "gpt2", "llama-head", "llama-dora", "gpt2-dora", "gemma3"].map((name) => [name, fixture(name).base]),
  ...["llama-gguf", "llama-gguf-head", "llama-gguf-dora"].map((name) => [name, fixture(name).base]),
  // The same weights as llama.cpp stores them: different row orders of q and k, GPT-2's matrices transposed, Gemma's
  // norms plus one.
  ...["llama", "gpt2", "llama-head", "llama-dora", "gpt2-dora", "gemma3"].map((name) => [
    name,
    `${fixture(name).base}/model.gguf`,
  ]),
] as [string, string][])("%s kept apart from %s", (name, base) => {
  const { tokens, expected, folder } = fixture(name);

  test.each(["whole", "pieces"] as const)("equals PEFT, cut: %s", async (cut) => {
    expect(gap(await logits(base, tokens, { apart: folder }, { cut }), expected)).toBeLessThan(1e-4);
    expect(gap(await logits(base, tokens, undefined, { cut }), expected)).toBeGreaterThan(1);
  });

  test("the base in 8 bits, nearly", async () => {
    const got = await logits(base, tokens, { apart: folder }, { quant: "q8" });
    expect(error(got, expected)).toBeGreaterThan(1e-3);
    expect(error(got, expected)).toBeLessThan(0.1);
  });
});

describe("an adapter that does not fit: one sentence", () => {
  const llama = path.join(adapters, "llama");
  const at = (base: string, folder: string) => () =>
    withAdapter(openCheckpoint(path.join(bases, base)), openLora(folder));

  /** The adapter with changed settings. */
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
    expect(at("llama-biased", bases)).toThrow(/there is no adapter_config\.json/);
    expect(at("llama-biased", path.join(root, "nothing"))).toThrow(UserError);
  });

  const apart = (base: string, folder: string) => async () => {
    const lora = openLora(folder);
    const { decoder, weights } = await openDecoder(
      openCheckpoint(path.join(bases, base)),
      path.join(root, base),
      "f32",
      lora,
    );
    prepare(weights, () => traceDense(decoder));
  };

  test("kept apart: of another model, or of another shape", async () => {
    await expect(apart("gpt2/model.gguf", llama)).rejects.toThrow(UserError);
    await expect(apart("gpt2/model.gguf", llama)).rejects.toThrow(
      /does not fit .*model\.gguf: model\.layers\.0\.\S+ is not in the model \(and 7 more of its 8/,
    );
    await expect(apart("olmo2/model.gguf", llama)).rejects.toThrow(
      /model\.layers\.0\.\S+ is \[.*\], the adapter's update \[.*\]/,
    );
    await expect(apart("llama-biased", llama)()).resolves.not.toThrow();
  });

  test("a factor without the other", async () => {
    const folder = await spoilt({});
    const file = path.join(folder, "adapter_model.safetensors");
    const bytes = readFileSync(file, "latin1").replace("q_proj.lora_B", "k_proj.lora_B");
    writeFileSync(file, bytes, "latin1");
    expect(() => openLora(folder)).toThrow(UserError);
    expect(() => openLora(folder)).toThrow(/self_attn\.\w_proj: lora_[AB] is missing beside lora_[AB]/);
  });

  test("what only a branch computes is not merged", () => {
    const mergeable = (base: string, name: string) =>
      isMergeable(openCheckpoint(path.join(bases, base)), openLora(path.join(adapters, name)));
    expect(mergeable("llama-biased", "llama-head")).toBe(true);
    expect(mergeable("gemma3", "gemma3")).toBe(false);
    expect(mergeable("llama-biased/model.gguf", "llama")).toBe(false);
  });

  test.each([
    [{ peft_type: "IA3" }, '"peft_type" is "IA3", expected "LORA"'],
    [{ lora_alpha: -1 }, '"lora_alpha" is -1, expected a number above 0'],
    [{ lora_alpha: undefined }, '"lora_alpha" is missing'],
    [{ use_qalora: true }, '"use_qalora" is set; only LoRA and DoRA'],
    [{ use_dora: true }, "use_dora is set, but lora_magnitude_vector is missing"],
    [{ alpha_pattern: { q_proj: 0 } }, '"alpha_pattern" is {"q_proj":0}, expected a number above 0 for each pattern'],
    [{ alpha_pattern: { "(a*)*b": 2 } }, '"alpha_pattern" has "(a*)*b", expected the name of a module or a simple'],
    [{ alpha_pattern: { "(": 2 } }, '"alpha_pattern" has "("'],
    [{ init_lora_weights: "pissa" }, '"init_lora_weights" is "pissa"'],
  ])("settings %j", async (change, says) => {
    const folder = await spoilt(change);
    expect(at("llama-biased", folder)).toThrow(UserError);
    expect(at("llama-biased", folder)).toThrow(says);
  });
});
