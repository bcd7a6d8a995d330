import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { type Field, type TensorSpec, writeGguf } from "../../weights/gguf/gguf.testing.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { traceDense } from "../programs/segments.ts";
import { type Cut, cuts, Stack } from "../programs/stack.testing.ts";
import { openDecoder } from "../registry.ts";

interface Reference {
  file: string;
  prompt: number;
  tokens: number[];
  logits: string;
}

/** transformers' results in float32: tools/reference/llama_tiny.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const { models } = JSON.parse(readFileSync(fixture("llama-tiny.json"), "utf8")) as { models: Reference[] };

const folder = mkdtempSync(path.join(tmpdir(), "modicum-llama-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function open(file: string, quant: Quant = "f32") {
  return openDecoder(openCheckpoint(file), path.join(folder, `${path.basename(file)}.prepared`), quant);
}

async function compile(file: string, cut: Cut): Promise<Stack> {
  const { decoder, weights } = await open(file);
  return Stack.compile(decoder, weights, cut);
}

/** Logits of the tokens, run in chunks of the given lengths (the last length repeats). */
async function inChunks(stack: Stack, tokens: readonly number[], lengths: readonly number[]): Promise<Float32Array> {
  const all: Float32Array[] = [];
  for (let at = 0, i = 0; at < tokens.length; i++) {
    const length = lengths[Math.min(i, lengths.length - 1)]!;
    all.push(await stack.run(tokens.slice(at, at + length)));
    at += length;
  }
  return Float32Array.from(all.flatMap((a) => [...a]));
}

function difference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, v, i) => Math.max(most, Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - b[i]!)), 0);
}

const ways = [
  { name: "all at once", lengths: [50] },
  { name: "in chunks of 16", lengths: [16] },
  { name: "prompt, then token by token", lengths: [40, 1] },
  { name: "token by token", lengths: [1] },
];

describe.each(models)("$file equals transformers", ({ file, tokens, logits }) => {
  const expected = new Float32Array(new Uint8Array(Bytes.from(logits, "base64")).buffer);

  test.each(cuts)("cut: %s", async (cut) => {
    for (const { name, lengths } of ways) {
      using stack = await compile(fixture(file), cut);
      expect(difference(await inChunks(stack, tokens, lengths), expected), name).toBeLessThan(1e-4);
    }
  });

  test("cut between layers or around attention, it computes what the whole program does", async () => {
    const [whole, ...others] = await Promise.all(
      cuts.map(async (cut) => {
        using stack = await compile(fixture(file), cut);
        return await inChunks(stack, tokens, [40, 1]);
      }),
    );
    for (const other of others) expect(difference(other, whole!)).toBeLessThan(1e-5);
  });
});

/** A one-layer llama for tests to modify, with hidden size 32 and head size 16. */
const metadata: Record<string, Field> = {
  "general.architecture": ["string", "llama"],
  "llama.block_count": ["uint32", 1],
  "llama.context_length": ["uint32", 64],
  "llama.embedding_length": ["uint32", 32],
  "llama.feed_forward_length": ["uint32", 48],
  "llama.attention.head_count": ["uint32", 2],
  "llama.attention.head_count_kv": ["uint32", 1],
  "llama.attention.layer_norm_rms_epsilon": ["float32", 1e-5],
  "tokenizer.ggml.tokens": ["array", "string", ["a", "b", "c"]],
};
const shapes: Record<string, number[]> = {
  "token_embd.weight": [3, 32],
  "output_norm.weight": [32],
  "blk.0.attn_norm.weight": [32],
  "blk.0.attn_q.weight": [32, 32],
  "blk.0.attn_k.weight": [16, 32],
  "blk.0.attn_v.weight": [16, 32],
  "blk.0.attn_output.weight": [32, 32],
  "blk.0.ffn_norm.weight": [32],
  "blk.0.ffn_gate.weight": [48, 32],
  "blk.0.ffn_up.weight": [48, 32],
  "blk.0.ffn_down.weight": [32, 48],
};

let written = 0;
/** Traces a model from these parts, as loading does; removes the file's name from errors. */
async function trace(
  fields: Record<string, Field | undefined>,
  sizes: Record<string, number[] | undefined>,
): Promise<void> {
  const file = path.join(folder, `made-${written++}.gguf`);
  const present = <T>(all: Record<string, T | undefined>) =>
    Object.entries(all).filter((e): e is [string, T] => !!e[1]);
  const tensors: TensorSpec[] = present(sizes).map(([name, shape]) => {
    return { name, shape, type: "F32", data: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)) };
  });
  writeFileSync(file, writeGguf({ metadata: Object.fromEntries(present(fields)), tensors }));
  const { decoder, weights } = await open(file);
  try {
    traceDense(decoder);
  } catch (error) {
    weights.abandon();
    if (error instanceof UserError) throw new UserError(error.message.replace(`${file}: `, ""));
    throw error;
  }
  weights.commit();
}

test("the model to be spoilt is a sound one", async () => {
  await expect(trace(metadata, shapes)).resolves.not.toThrow();
});

test.each(Object.keys(shapes))("without %s: one sentence", async (name) => {
  const message = `tensor "${name}" is missing`;
  await expect(() => trace(metadata, { ...shapes, [name]: undefined })).rejects.toThrow(new UserError(message));
});

test.each(Object.entries(shapes))("%s of another shape: one sentence with both shapes", async (name, shape) => {
  const expected = `expected [${shape.join(", ")}]`;
  for (const wrong of [[...shape, 1], shape.with(0, shape[0]! + 1), shape.with(-1, shape.at(-1)! * 2)]) {
    const message = `tensor "${name}" has shape [${wrong.join(", ")}], ${expected}`;
    await expect(() => trace(metadata, { ...shapes, [name]: wrong })).rejects.toThrow(new UserError(message));
  }
});

test.each<[string, Field | undefined, string | RegExp]>([
  ["llama.block_count", undefined, /llama\.block_count/],
  ["llama.block_count", ["uint32", 0], /layers: .*>=1/],
  ["llama.block_count", ["uint32", 2], 'tensor "blk.1.attn_norm.weight" is missing'],
  ["llama.embedding_length", ["string", "wide"], /llama\.embedding_length/],
  ["llama.embedding_length", ["uint32", 0], /hidden: .*>=1/],
  ["llama.embedding_length", ["uint32", 33], /headSize: .*int/],
  ["llama.feed_forward_length", undefined, /llama\.feed_forward_length/],
  ["llama.attention.head_count", ["uint32", 0], /heads: .*>=1/],
  ["llama.attention.head_count", ["uint32", 1], 'tensor "blk.0.attn_k.weight" has shape [16, 32], expected [32, 32]'],
  ["llama.attention.head_count_kv", ["uint32", 3], "2 attention heads cannot share 3 key-value heads evenly"],
  ["llama.attention.key_length", ["uint32", 6], "the head size must be even and at least 8, got 6"],
  ["llama.attention.layer_norm_rms_epsilon", ["float32", 0], /epsilon: .*>0/],
  ["llama.rope.freq_base", ["float32", -1], "the rotary base must be above 0, got -1"],
  ["llama.context_length", ["uint32", 0], /context: .*>=1/],
  ["llama.vocab_size", ["uint32", 4], 'tensor "token_embd.weight" has shape [3, 32], expected [4, 32]'],
  [
    "general.architecture",
    ["string", "lama"],
    /architecture "lama" is not supported; the nearest supported architecture, "llama", reads all /,
  ],
])("%s as %s: one sentence", async (key, field, message) => {
  const attempt = () => trace({ ...metadata, [key]: field }, shapes);
  await expect(attempt).rejects.toThrow(UserError);
  await expect(attempt).rejects.toThrow(message);
});
