import { Buffer as Bytes } from "node:buffer";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { load } from "../../../library/load.ts";
import { home } from "../../../weights/sources/index.ts";

/** True if `modicum pull mpnet` has run; the test does not download the 439 MB. */
const there = existsSync(path.join(home(), "models", "mpnet", "model.json"));

/** all-mpnet-base-v2 in sentence-transformers: tools/reference/minilm.py. */
const { texts, embeddings } = JSON.parse(
  readFileSync(new URL("../../fixtures/mpnet.json", import.meta.url), "utf8"),
) as {
  texts: { text: string; repeat: number }[];
  embeddings: string;
};
const WIDTH = 768;
const reference = new Float32Array(new Uint8Array(Bytes.from(embeddings, "base64")).buffer);

test.skipIf(!there)("all-mpnet-base-v2 embeds as sentence-transformers does", async () => {
  using model = await load("mpnet");
  const { embeddings: got } = await model.embed(texts.map(({ text, repeat }) => text.repeat(repeat)));
  // The vectors have length 1.
  const cosines = got.map((vector, i) => vector.reduce((sum, value, c) => sum + value * reference[i * WIDTH + c]!, 0));
  expect(Math.min(...cosines)).toBeGreaterThan(0.99999);
  expect(Math.max(...cosines)).toBeLessThan(1.00001);
});
