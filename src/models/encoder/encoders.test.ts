import { Buffer as Bytes } from "node:buffer";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { poolings } from "../../graph/index.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { Parity } from "../parity.testing.ts";
import { openEncoder } from "../registry.ts";
import { difference, run, unpadded } from "./encoder.testing.ts";
import { traceEmbedding, traceHidden, tracePredictions, traceScores } from "./encoder-graphs.ts";

/** transformers' results in float32, one folder each: tools/reference/encoders.py. */
const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const folders = readdirSync(fixtures).filter((name) => existsSync(path.join(fixtures, name, "encoder.json")));

interface Reference {
  readonly kind: "classifier" | "predictor";
  readonly texts: readonly (readonly number[])[];
  readonly types?: readonly (readonly number[])[];
  readonly hidden: string;
  readonly outputs: string;
}
const referenceOf = (name: string): Reference =>
  JSON.parse(readFileSync(path.join(fixtures, name, "encoder.json"), "utf8"));
const unpack = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-encoders-"));
afterAll(() => rmSync(prepared, { recursive: true }));
const open = (file: string) => openEncoder(openCheckpoint(file), path.join(prepared, file.replaceAll("/", "_")), "f32");

/** A fixture in each of its formats; llama.cpp's converter omits poolers, so its GGUFs of BERT have no head. */
const cases = folders.flatMap((name) => {
  const gguf = path.join(fixtures, name, "model.gguf");
  const folder = { name, format: "safetensors", file: path.join(fixtures, name), headed: true };
  return existsSync(gguf)
    ? [folder, { name, format: "GGUF", file: gguf, headed: !["bert", "nomicbert"].includes(name) }]
    : [folder];
});

const worst = new Map<string, number>();

describe.each(cases)("$name, $format, equals transformers", ({ name, format, file, headed }) => {
  const key = `${name} ${format}`;
  function note(actual: number): void {
    expect(actual).toBeLessThan(1e-4);
    worst.set(key, Math.max(actual, worst.get(key) ?? 0));
  }

  const reference = referenceOf(name);
  const { texts, types, kind } = reference;
  const hidden = unpack(reference.hidden);
  const outputs = unpack(reference.outputs);
  const alone = texts.map((text, i) => ({ texts: [text], ...(types && { types: [types[i]!] }) }));

  test("hidden states, each text alone and in a batch with padding", async () => {
    const opened = await open(file);
    const { encoder } = opened;
    const trace = () => traceHidden(encoder);
    const width = encoder.config.hidden;
    for (const tokens of [undefined, 30])
      note(difference(unpadded(await run(opened, trace, reference, tokens), texts, width), hidden));
    const single: number[] = [];
    for (const one of alone) single.push(...(await run(opened, trace, one)));
    note(difference(single, hidden));
  });

  test.runIf(headed)(kind === "classifier" ? "scores" : "logits", async () => {
    const opened = await open(file);
    const { encoder } = opened;
    const trace = () => (kind === "classifier" ? traceScores(encoder) : tracePredictions(encoder));
    const batch = await run(opened, trace, reference);
    const { labels, vocabulary } = encoder.config;
    if (kind === "classifier") expect(batch.length).toBe(texts.length * labels);
    note(difference(kind === "classifier" ? batch : unpadded(batch, texts, vocabulary), outputs));
    const single: number[] = [];
    for (const one of alone) single.push(...(await run(opened, trace, one)));
    note(difference(single, outputs));
  });

  test.each(poolings)("embedding by %s, normalised, whatever the padding", async (pooling) => {
    const opened = await open(file);
    const { encoder } = opened;
    const width = encoder.config.hidden;
    const got = await run(opened, () => traceEmbedding(encoder, pooling, true), reference, 30);
    let at = 0;
    for (const [i, text] of texts.entries()) {
      const rows = Array.from(text, (_, t) => hidden.subarray((at + t) * width, (at + t + 1) * width));
      at += text.length;
      const pooled = { cls: rows.slice(0, 1), last: rows.slice(-1), mean: rows }[pooling];
      const sums = Array.from({ length: width }, (_, c) => pooled.reduce((sum, row) => sum + row[c]!, 0));
      const length = Math.hypot(...sums);
      const own = got.subarray(i * width, (i + 1) * width);
      expect(
        difference(
          own,
          sums.map((s) => s / length),
        ),
      ).toBeLessThan(1e-5);
    }
  });
});

test("docs/reference/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../docs/reference/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "encoders");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(folders, worst));
  else for (const { name, format } of cases) stated.check(name, format, worst.get(`${name} ${format}`)!);
});
