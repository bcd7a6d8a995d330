import { Buffer as Bytes } from "node:buffer";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { Parity } from "../parity.testing.ts";
import { type Cut, cuts, Stack } from "../programs/stack.testing.ts";
import { openDecoder } from "../registry.ts";

/** transformers' results in float32, one folder each: tools/reference/architectures.py. */
const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const folders = readdirSync(fixtures).filter((name) => existsSync(path.join(fixtures, name, "reference.json")));

interface Reference {
  readonly tokens: readonly number[];
  readonly logits: Float32Array;
}

function referenceOf(name: string): Reference {
  const { tokens, logits } = JSON.parse(readFileSync(path.join(fixtures, name, "reference.json"), "utf8"));
  return { tokens, logits: new Float32Array(new Uint8Array(Bytes.from(logits, "base64")).buffer) };
}

/** A fixture in one of its formats. */
const cases = folders.flatMap((name) => {
  const gguf = path.join(fixtures, name, "model.gguf");
  const folder = { name, format: "safetensors", file: path.join(fixtures, name) };
  return existsSync(gguf) ? [folder, { name, format: "GGUF", file: gguf }] : [folder];
});

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-architectures-"));
afterAll(() => rmSync(prepared, { recursive: true }));

async function compile(file: string, cut: Cut): Promise<Stack> {
  const { decoder, weights } = await openDecoder(
    openCheckpoint(file),
    path.join(prepared, file.replaceAll("/", "_")),
    "f32",
  );
  return Stack.compile(decoder, weights, cut);
}

/** Logits of the tokens, run in chunks of the given lengths (the last length repeats). */
async function inChunks(stack: Stack, tokens: readonly number[], lengths: readonly number[]): Promise<number[]> {
  const all: number[] = [];
  for (let at = 0, i = 0; at < tokens.length; i++) {
    const length = lengths[Math.min(i, lengths.length - 1)]!;
    all.push(...(await stack.run(tokens.slice(at, at + length))));
    at += length;
  }
  return all;
}

function difference(got: readonly number[], expected: Float32Array): number {
  expect(got.length).toBe(expected.length);
  return got.reduce(
    (worst, v, i) => Math.max(worst, Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - expected[i]!)),
    0,
  );
}

/** The largest difference in each case, over all cuts and chunk lengths. */
const worst = new Map<string, number>();
const keyOf = (name: string, format: string) => `${name} ${format}`;

const ways = [
  { name: "at once", lengths: [64] },
  { name: "in parts", lengths: [16] },
  { name: "a prompt, then token by token", lengths: [20, 1] },
];

/** Models with recurrent layers are not cut into pieces, since these layers have no attention to cut around. */
const cutsOf = (name: string) =>
  /^(mamba|rnn|granitemoehybrid|lfm2|qwen3_next|qwen3_5|nemotron_h)/.test(name)
    ? cuts.filter((cut) => cut !== "pieces")
    : cuts;

describe.each(cases)("$name, $format: logits equal transformers'", ({ name, format, file }) => {
  const { tokens, logits } = referenceOf(name);

  test.each(cutsOf(name))("cut: %s", async (cut) => {
    using stack = await compile(file, cut);
    for (const way of cut === "whole" ? ways : ways.slice(2)) {
      stack.restart();
      const error = difference(await inChunks(stack, tokens, way.lengths), logits);
      expect(error, way.name).toBeLessThan(1e-4);
      worst.set(keyOf(name, format), Math.max(error, worst.get(keyOf(name, format)) ?? 0));
    }
  });
});

/** The table of docs/reference/models.md; `PARITY=write` in the environment updates its measured values. */
test("docs/reference/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../docs/reference/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "decoders");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(folders, worst));
  else for (const { name, format } of cases) stated.check(name, format, worst.get(keyOf(name, format))!);
});
