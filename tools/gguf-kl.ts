/**
 * The mean KL divergence between llama.cpp's next-token distributions and this engine's, over 512 tokens of English:
 *
 *     npx tsx tools/gguf-kl.ts FILE.gguf [REFERENCE]
 *
 * Both read FILE, the engine in float32 and in the form that runs; REFERENCE is another model of the same vocabulary,
 * such as the one that FILE was made of.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { llamaLogits, meanKl, type Rows } from "../src/engine/file/llama.testing.ts";
import { tokenizerOf } from "../src/engine/file/tokenizer-of.ts";
import { Stack } from "../src/models/programs/stack.testing.ts";
import { openDecoder } from "../src/models/registry.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";
import type { Quant } from "../src/weights/prepared/weights.ts";
import { resolveModel } from "../src/weights/sources/index.ts";

const TOKENS = 512;

/** Logits in rows of the vocabulary. */
async function ownLogits(file: string, tokens: readonly number[], quant: Quant): Promise<Rows> {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-kl-"));
  const { decoder, weights } = await openDecoder(openCheckpoint(file), folder, quant);
  using stack = await Stack.compile(decoder, weights, "whole");
  const all = await stack.run(tokens);
  rmSync(folder, { recursive: true });
  const width = decoder.config.vocabulary;
  return tokens.map((_, i) => all.subarray(i * width, (i + 1) * width));
}

/** The text of SmolLM2's fixture in a model's tokens. */
async function textTokens(file: string): Promise<number[]> {
  const fixture = new URL("../src/models/fixtures/smollm2.json", import.meta.url);
  const { nll } = JSON.parse(readFileSync(fixture, "utf8")) as { nll: { tokens: number[] } };
  const { path: smollm2 } = await resolveModel("smollm2");
  const text = tokenizerOf(openCheckpoint(smollm2), 1 << 24).decode(nll.tokens);
  return tokenizerOf(openCheckpoint(file), 1 << 24)
    .encode(text)
    .slice(0, TOKENS);
}

const [file, reference] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: npx tsx tools/gguf-kl.ts FILE.gguf [REFERENCE]");
const tokens = await textTokens(file);
const theirs = await llamaLogits(file, tokens);
if (!theirs) throw new Error("node-llama-cpp has no library for this platform");
const show = (name: string, ours: Rows) => console.log(`${name}: ${meanKl(ours, theirs).toExponential(1)} nats`);
console.log(`${path.basename(file)}, ${tokens.length} tokens, KL to llama.cpp's`);
show("f32", await ownLogits(file, tokens, "f32"));
show("auto", await ownLogits(file, tokens, "auto"));
if (reference !== undefined) show(reference, await ownLogits(reference, tokens, "f32"));
process.exit();
