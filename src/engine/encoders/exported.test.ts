import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { load } from "../../library/load.ts";
import { run } from "../../models/encoder/encoder.testing.ts";
import { traceEmbedding } from "../../models/encoder/encoder-graphs.ts";
import { openEncoder } from "../../models/registry.ts";
import { cosine } from "../../util/cosine.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import { resolveModel } from "../../weights/sources/index.ts";

/**
 * ONNX Runtime's results for the files themselves: tools/reference/onnx_encoders.py. `own` rounds activations to bytes
 * before each product; `floats` uses the same weights in float32 products, as this engine does.
 */
interface Reference {
  readonly query: string;
  readonly texts: readonly { readonly text: string; readonly repeat: number }[];
  readonly pictures: readonly string[];
  readonly own: string & readonly number[];
  readonly floats: string & readonly number[];
}
const referenceOf = (name: string): Reference =>
  JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8"));
const textsOf = ({ texts }: Reference) => texts.map(({ text, repeat }) => text.repeat(repeat));

const WIDTH = 384;
const rowsOf = (packed: string): Float32Array[] => {
  const all = new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);
  return Array.from({ length: all.length / WIDTH }, (_, i) => all.subarray(i * WIDTH, (i + 1) * WIDTH));
};
const WITHIN = 1e-5;
const furthestOf = (got: readonly Float32Array[], expected: readonly Float32Array[]): number =>
  furthest(
    got.flatMap((vector) => [...vector]),
    expected.flatMap((vector) => [...vector]),
  );
const leastCosine = (got: readonly Float32Array[], expected: readonly Float32Array[]): number => {
  expect(got).toHaveLength(expected.length);
  return Math.min(...got.map((vector, i) => cosine(vector, expected[i]!)));
};
const furthest = (got: readonly number[], expected: readonly number[]): number => {
  expect(got).toHaveLength(expected.length);
  return Math.max(...got.map((value, i) => Math.abs(value - expected[i]!)));
};

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-exported-"));
afterAll(() => rmSync(prepared, { recursive: true }));

test("bge-small embeds as ONNX Runtime does", async () => {
  const reference = referenceOf("bge-small");
  using model = await load("bge-small");
  const { embeddings } = await model.embed(textsOf(reference));
  expect(furthestOf(embeddings, rowsOf(reference.floats))).toBeLessThan(WITHIN);
  expect(leastCosine(embeddings, rowsOf(reference.own))).toBeGreaterThan(0.994);
});

test("ms-marco scores pairs as ONNX Runtime does", async () => {
  const reference = referenceOf("ms-marco");
  using model = await load("ms-marco");
  const { scores } = await model.relevance(reference.query, textsOf(reference));
  expect(furthest(scores, reference.floats)).toBeLessThan(10 * WITHIN);
  expect(furthest(scores, reference.own)).toBeLessThan(0.5);
});

test("colbert-small compares tokens as ONNX Runtime does", async () => {
  const reference = referenceOf("colbert-small");
  using model = await load("colbert-small");
  const { scores } = await model.relevance(reference.query, textsOf(reference));
  expect(furthest(scores, reference.floats)).toBeLessThan(10 * WITHIN);
  expect(furthest(scores, reference.own)).toBeLessThan(0.5);
});

test("dinov2-small embeds images as ONNX Runtime does", async () => {
  const reference = referenceOf("dinov2-small");
  const folder = fileURLToPath(new URL("../../models/fixtures/pictures", import.meta.url));
  using model = await load("dinov2-small");
  const { embeddings } = await model.embed(reference.pictures.map((name) => ({ image: path.join(folder, name) })));
  expect(furthestOf(embeddings, rowsOf(reference.own))).toBeLessThan(WITHIN);
});

test("one tensor in another order shows", async () => {
  const checkpoint = openCheckpoint((await resolveModel("bge-small")).path);
  const texts = [[101, 1037, 4937, 25126, 102]];
  const whole = await embedded(checkpoint, texts);
  const vector = await embedded(turned(checkpoint, "encoder.layer.5.intermediate.dense.weight"), texts);
  expect(cosine(whole, whole)).toBeCloseTo(1, 6);
  expect(cosine(whole, vector)).toBeLessThan(0.95);
});

async function embedded(checkpoint: Checkpoint, texts: number[][]): Promise<Float32Array> {
  const opened = await openEncoder(checkpoint, path.join(prepared, checkpoint.variant ?? "own"), "f32");
  return run(opened, () => traceEmbedding(opened.encoder, "cls", true), { texts });
}

const turned = (checkpoint: Checkpoint, name: string): Checkpoint => ({
  ...checkpoint,
  variant: name,
  floats: (tensor, rows) => {
    const values = checkpoint.floats(tensor, rows);
    return tensor.name === name ? values.reverse() : values;
  },
});
