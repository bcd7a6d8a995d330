/** LongRoPE on the tiny Phi-3: short factors up to 48 tokens, long ones beyond, 64 in total. */
import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { requirePlainAttention } from "../../../savings/attention/plain.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { Meter } from "../../bill/meter.ts";
import { generateAll } from "../answer/batch-generate.ts";
import { generate, generateOptions, type Piece } from "../answer/generate.ts";
import { Likelihoods } from "../score/likelihood.ts";
import { Engine } from "./engine.ts";

interface Case {
  prompt: number[];
  next: number[];
  logits: Float32Array;
}

/** transformers' results in float32 with a cache: tools/reference/longrope.py. */
const fixture = fileURLToPath(new URL("../../../models/fixtures/phi3-long", import.meta.url));
const cases: Case[] = JSON.parse(readFileSync(path.join(fixture, "long.json"), "utf8")).cases.map(
  ({ logits, ...args }: Omit<Case, "logits"> & { logits: string }) => ({
    ...args,
    logits: new Float32Array(new Uint8Array(Bytes.from(logits, "base64")).buffer),
  }),
);

const VOCABULARY = 72;
const BORDER = 48;
const folder = mkdtempSync(path.join(tmpdir(), "modicum-longrope-"));
const open: Engine[] = [];
afterAll(() => {
  for (const engine of open) engine[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

async function create(file: string): Promise<Engine> {
  const { decoder, weights } = await openDecoder(openCheckpoint(file), path.join(folder, `${open.length}`), "f32");
  const engine = await Engine.create(decoder, weights);
  open.push(engine);
  return engine;
}

/** A tokenizer that decodes to empty text; no id ends an answer. */
const tokenizer = {
  stopIds: new Set<number>(),
  isSpecial: () => true,
} as unknown as Tokenizer;

const options = (maxTokens: number) => generateOptions.parse({ maxTokens, logprobs: 1 });

/** The largest difference of the sampled tokens' log-probabilities from the reference's logits. */
function worst(actual: readonly { id: number; logprob?: number | undefined }[], { next, logits }: Case): number {
  expect(actual.map(({ id }) => id)).toEqual(next);
  return Math.max(
    ...actual.map(({ id, logprob }, i) => {
      const row = logits.subarray(i * VOCABULARY, (i + 1) * VOCABULARY);
      const sum = row.reduce((all, v) => all + Math.exp(v), 0);
      return Math.abs(logprob! - (row[id]! - Math.log(sum)));
    }),
  );
}

describe.each([
  { format: "safetensors", file: fixture },
  { format: "GGUF", file: path.join(fixture, "model.gguf") },
])("$format", ({ file }) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await create(file);
  });

  async function answer(one: Case): Promise<Piece[]> {
    const pieces: Piece[] = [];
    for await (const piece of generate(engine, tokenizer, one.prompt, options(one.next.length))) pieces.push(piece);
    return pieces;
  }

  test("answers before, beyond and across the border equal transformers'", async () => {
    for (const one of cases) {
      const pieces = await answer(one);
      expect(
        worst(
          pieces.flatMap(({ tokens }) => tokens),
          one,
        ),
      ).toBeLessThan(1e-4);
    }
  });

  test("logits of every token of the vocabulary, across the border", async () => {
    const { prompt, next, logits } = cases[0]!;
    const meter = new Meter(engine.programs);
    for (const length of [BORDER - 1, BORDER, BORDER + 1, BORDER + 5]) {
      engine.forget();
      const text = [...prompt, ...next].slice(0, length);
      const slot = engine.acquire(text);
      const got = await engine.prefill(slot, text, meter);
      const expected = logits.subarray((length - prompt.length) * VOCABULARY);
      expect(Math.max(...got.map((v, i) => Math.abs(v - expected[i]!)))).toBeLessThan(1e-4);
      engine.release(slot);
    }
  });

  test("all of them together, rows on either side of the border in one step", async () => {
    const requests = cases.map(({ prompt, next }) => ({ prompt, options: options(next.length) }));
    const answers = await generateAll(engine, tokenizer, requests);
    for (const [i, { tokens }] of answers.entries()) expect(worst(tokens, cases[i]!)).toBeLessThan(1e-4);
  });

  test("what was rotated otherwise is not gone on from; what was rotated alike is", async () => {
    engine.forget();
    const { prompt, next } = cases[0]!;
    const text = [...prompt, ...next];
    const cachedOf = async (length: number) => {
      const slot = engine.acquire(text.slice(0, length));
      const cached = slot.tokens.length;
      await engine.prefill(slot, text.slice(0, length), new Meter(engine.programs));
      engine.release(slot);
      return cached;
    };
    expect(await cachedOf(30)).toBe(0);
    expect(await cachedOf(45)).toBe(30);
    expect(await cachedOf(50)).toBe(0);
    expect(await cachedOf(55)).toBe(50);
    expect(await cachedOf(40)).toBe(39);
  });

  test("the text that runs again is in the bill", async () => {
    engine.forget();
    const bill = async (one: Case) => (await answer(one)).at(-1)!.finish!.usage;
    const crossing = await bill(cases[1]!);
    expect(crossing.tokens).toEqual({ prompt: 47, cached: 0, completion: 3 });
    engine.forget();
    const meter = new Meter(engine.programs);
    meter.layers(47, 0);
    meter.layers(1, 47);
    meter.layers(49, 0);
    for (let head = 0; head < 3; head++) meter.head(1);
    expect(crossing.flops).toEqual(meter.total().flops);
  });

  test("continuations that pass the border are predicted as the whole text is", async () => {
    using likelihoods = await Likelihoods.create(engine);
    const { prompt, next } = cases[0]!;
    const pairs = [5, 20].map((length) => ({ context: prompt, continuation: next.slice(0, length) }));
    const result = await likelihoods.ofPairs(pairs, new Meter(engine.programs));
    const alone = await likelihoods.ofText([...prompt, ...next], prompt.length, new Meter(engine.programs));
    expect(result[1]).toEqual(alone);
    const short = await likelihoods.ofText([...prompt, ...next.slice(0, 5)], prompt.length, new Meter(engine.programs));
    for (const [i, { nats }] of result[0]!.entries()) expect(nats).toBeCloseTo(short[i]!.nats, 4);
    expect(Math.abs(result[0]![0]!.nats - alone[0]!.nats)).toBeGreaterThan(1e-3);
  });

  test("savings at the attention seam refuse it", () => {
    expect(() => requirePlainAttention("xattention", engine.programs.decoder)).toThrow(
      "it has rotary factors that depend on the text's length",
    );
  });
});
