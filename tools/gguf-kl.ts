/**
 * Measures the mean KL divergence between llama.cpp's next-token distributions and this engine's, over 512 tokens of
 * English, and writes it into gguf-kl.json and docs/export.md:
 *
 * npx tsx tools/gguf-kl.ts [FILE.gguf NAME [REFERENCE]]
 *
 * Both engines read FILE, this one in float32 and in its running form. NAME names the row, such as "SmolLM2-135M Q8_0".
 * REFERENCE is the source model of FILE. Without a file, only the page is written.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { machine } from "../bench/report.ts";
import { PEER } from "../bench/sides.ts";
import { llamaLogits, meanKl, type Rows } from "../src/engine/file/llama.testing.ts";
import { tokenizerOf } from "../src/engine/file/tokenizer-of.ts";
import { Stack } from "../src/models/programs/stack.testing.ts";
import { openDecoder } from "../src/models/registry.ts";
import { writeJson } from "../src/util/write-whole.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";
import type { Quant } from "../src/weights/prepared/weights.ts";
import { resolveModel } from "../src/weights/sources/index.ts";
import { contentHash } from "../src/weights/sources/model-hash.ts";
import {
  DATA,
  divergencesTable,
  type MeasuredFile,
  PAGE,
  readDivergences,
  SECTION,
  withFile,
} from "./gguf-kl-table.ts";
import { writeSection } from "./section.ts";

const TOKENS = 512;

/** This engine's logits, one row per token. */
async function ownLogits(file: string, tokens: readonly number[], quant: Quant): Promise<Rows> {
  const folder = mkdtempSync(path.join(tmpdir(), "modicum-kl-"));
  const { decoder, weights } = await openDecoder(openCheckpoint(file), folder, quant);
  using stack = await Stack.compile(decoder, weights, "whole");
  const all = await stack.run(tokens);
  rmSync(folder, { recursive: true });
  const width = decoder.config.vocabulary;
  return tokens.map((_, i) => all.subarray(i * width, (i + 1) * width));
}

/** The text of SmolLM2's fixture, tokenised by a model. */
async function textTokens(file: string): Promise<number[]> {
  const fixture = new URL("../src/models/fixtures/smollm2.json", import.meta.url);
  const { nll } = JSON.parse(readFileSync(fixture, "utf8")) as { nll: { tokens: number[] } };
  const { path: smollm2 } = await resolveModel("smollm2");
  const text = tokenizerOf(openCheckpoint(smollm2), 1 << 24).decode(nll.tokens);
  return tokenizerOf(openCheckpoint(file), 1 << 24)
    .encode(text)
    .slice(0, TOKENS);
}

async function measured(file: string, name: string, reference: string | undefined): Promise<MeasuredFile> {
  const tokens = await textTokens(file);
  const theirs = await llamaLogits(file, tokens);
  if (!theirs) throw new Error("node-llama-cpp has no library for this platform");
  const kl = async (model: string, quant: Quant) =>
    Number(meanKl(await ownLogits(model, tokens, quant), theirs).toPrecision(2));
  return {
    ...{ file: name, peer: PEER, f32: await kl(file, "f32"), auto: await kl(file, "auto") },
    ...(reference !== undefined && { dequantised: await kl(reference, "f32") }),
    ...{ sha256: await contentHash(file), machine: machine({ path: file }) },
  };
}

const [file, name, reference] = process.argv.slice(2);
if (file !== undefined) {
  if (name === undefined) throw new Error("usage: npx tsx tools/gguf-kl.ts [FILE.gguf NAME [REFERENCE]]");
  await writeJson(DATA, withFile(readDivergences(), await measured(file, name, reference)));
}
writeSection(PAGE, SECTION, divergencesTable(readDivergences()));
process.exit();
