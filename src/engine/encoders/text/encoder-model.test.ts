import { Buffer as Bytes } from "node:buffer";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, type Model } from "../../../index.ts";

/** all-MiniLM-L6-v2 in sentence-transformers: tools/reference/minilm.py. */
const { texts: entries, embeddings } = JSON.parse(
  readFileSync(new URL("../../fixtures/minilm.json", import.meta.url), "utf8"),
) as { texts: { text: string; repeat: number }[]; embeddings: string };
const texts = entries.map(({ text, repeat }) => text.repeat(repeat));
const WIDTH = 384;
const reference = new Float32Array(new Uint8Array(Bytes.from(embeddings, "base64")).buffer);
const expected = texts.map((_, i) => reference.subarray(i * WIDTH, (i + 1) * WIDTH));

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const cosine = (a: Float32Array, b: Float32Array): number => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));

describe("MiniLM", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load("minilm");
  });
  afterAll(() => model?.dispose());

  test("embeds as sentence-transformers does", async () => {
    const { embeddings } = await model.embed(texts);
    const cosines = embeddings.map((e, i) => cosine(e, expected[i]!));
    expect(Math.min(...cosines)).toBeGreaterThanOrEqual(0.99999);
    for (const e of embeddings) expect(Math.abs(dot(e, e) - 1)).toBeLessThan(1e-5);
  });

  test("a text among others of all lengths has the vector that it has alone", async () => {
    const few = texts.slice(0, 12).concat(texts.at(-1)!);
    const { embeddings } = await model.embed(few);
    for (const [i, text] of few.entries()) {
      const alone = (await model.embed([text])).embeddings[0]!;
      const gap = Math.max(...alone.map((x, c) => Math.abs(x - embeddings[i]![c]!)));
      expect(gap).toBeLessThan(1e-5);
    }
  });
});
