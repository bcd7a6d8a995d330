import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { difference, run, unpadded } from "../encoder/encoder.testing.ts";
import { traceEmbedding, traceHidden } from "../encoder/encoder-graphs.ts";
import { openEncoder } from "../registry.ts";

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-t5-encoder-"));
afterAll(() => rmSync(prepared, { recursive: true }));

/** Results of transformers' T5EncoderModel in float32: tools/reference/t5.py. */
const fixture = (...names: string[]) => path.join(fileURLToPath(new URL("../fixtures", import.meta.url)), ...names);

const WIDTH = 32;

/** The mean of a text's rows, normalised to length 1. */
function mean(rows: Float32Array): number[] {
  const sums = Array.from({ length: WIDTH }, (_, c) =>
    rows.reduce((sum, v, i) => (i % WIDTH === c ? sum + v : sum), 0),
  );
  const length = Math.hypot(...sums);
  return sums.map((v) => v / length);
}

describe.each(["t5-gated", "t5-plain"])("the encoder of %s alone, from GGUF", (name) => {
  const { texts, hidden } = JSON.parse(readFileSync(fixture(name, "seq2seq.json"), "utf8")) as {
    texts: number[][];
    hidden: string;
  };
  const expected = new Float32Array(new Uint8Array(Bytes.from(hidden, "base64")).buffer);
  const open = () => openEncoder(openCheckpoint(fixture(name, "encoder.gguf")), path.join(prepared, name), "f32");

  test("hidden states equal transformers', each text alone and in a batch with padding", async () => {
    const opened = await open();
    const { encoder } = opened;
    const trace = () => traceHidden(encoder);
    for (const tokens of [undefined, 50]) {
      const rows = unpadded(await run(opened, trace, { texts }, tokens), texts, encoder.config.hidden);
      expect(difference(rows, expected)).toBeLessThan(1e-4);
    }
    const alone: number[] = [];
    for (const text of texts) alone.push(...(await run(opened, trace, { texts: [text] })));
    expect(difference(alone, expected)).toBeLessThan(1e-4);
  });

  test("embeddings are their means, of length 1", async () => {
    const opened = await open();
    const { encoder } = opened;
    const got = await run(opened, () => traceEmbedding(encoder, "mean", true), { texts });
    const begins = texts.map((_, i) => texts.slice(0, i).reduce((sum, { length }) => sum + length, 0));
    const means = texts.flatMap((t, i) => mean(expected.subarray(begins[i]! * WIDTH, (begins[i]! + t.length) * WIDTH)));
    expect(difference(got, means)).toBeLessThan(1e-5);
  });
});
