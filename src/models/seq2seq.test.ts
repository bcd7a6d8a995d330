import { Buffer as Bytes } from "node:buffer";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { Graph } from "../graph/index.ts";
import { count } from "../graph/ndarray.ts";
import { Buffer, type View } from "../runtime/buffer.ts";
import { Program } from "../runtime/program.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { KvCache } from "./cache.ts";
import { Parity } from "./parity.testing.ts";
import { prepare } from "./programs.ts";
import { openSeq2Seq } from "./registry.ts";
import type { Seq2Seq } from "./seq2seq.ts";
import { traceDecoded, traceEncoded, traceSource } from "./seq2seq-graphs.ts";

/** By transformers in float32, a folder each: tools/reference/t5.py. */
const fixtures = fileURLToPath(new URL("fixtures", import.meta.url));
const folders = readdirSync(fixtures).filter((name) => existsSync(path.join(fixtures, name, "seq2seq.json")));

interface Reference {
  readonly texts: readonly (readonly number[])[];
  /** What the decoder is given for each text. */
  readonly targets: readonly (readonly number[])[];
  readonly hidden: string;
  readonly logits: string;
}
const referenceOf = (name: string): Reference =>
  JSON.parse(readFileSync(path.join(fixtures, name, "seq2seq.json"), "utf8"));
const unpack = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-seq2seq-"));
afterAll(() => rmSync(prepared, { recursive: true }));
const open = (file: string): Seq2Seq =>
  openSeq2Seq(openCheckpoint(file), path.join(prepared, file.replaceAll("/", "_")), "f32");

/** A fixture in one of the formats that it is in. */
const cases = folders.flatMap((name) => {
  const gguf = path.join(fixtures, name, "model.gguf");
  const folder = { name, format: "safetensors", file: path.join(fixtures, name) };
  return existsSync(gguf) ? [folder, { name, format: "GGUF", file: gguf }] : [folder];
});

/** Buffers of one test, disposed of with it. */
class Arena implements Disposable {
  readonly #buffers: Buffer[] = [];

  view(dtype: "i64" | "i32" | "f32", shape: readonly number[], values: readonly number[] = []): View {
    const buffer = new Buffer(dtype, count(shape));
    this.#buffers.push(buffer);
    if (dtype === "i64") new BigInt64Array(buffer.memory).set(values.map(BigInt));
    else new (dtype === "i32" ? Int32Array : Float32Array)(buffer.memory).set(values);
    return buffer.view(shape);
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) buffer[Symbol.dispose]();
  }
}

const floats = (view: View): Float32Array => new Float32Array(view.buffer.memory).slice();

async function compile({ weights }: Seq2Seq, trace: () => Graph[]): Promise<Program[]> {
  return Promise.all(prepare(weights, trace).map((graph) => Program.compile(graph)));
}

/** Texts as one batch, padded to `tokens`. */
function sourceOf(arena: Arena, texts: Reference["texts"], tokens = Math.max(...texts.map((t) => t.length))) {
  const padded = texts.flatMap((t) => [...t, ...new Array(tokens - t.length).fill(0)]);
  const mask = texts.flatMap((t) => Array.from({ length: tokens }, (_, i) => Number(i < t.length)));
  const shape = [texts.length, tokens];
  return { tokens, ids: arena.view("i64", shape, padded), mask: arena.view("i32", shape, mask) };
}

/** Logits [texts, target, vocabulary] of a batch, the decoder given `parts` tokens at a time, its cache kept. */
async function decode(
  model: Seq2Seq,
  [encoder, decoder]: readonly Program[],
  { texts, targets }: Pick<Reference, "texts" | "targets">,
  parts: readonly number[],
): Promise<Float32Array> {
  using arena = new Arena();
  const { layers, heads, headSize, vocabulary } = model.config;
  const rows = texts.length;
  using cache = new KvCache(model.config, rows);
  const source = sourceOf(arena, texts);
  const views: Record<string, View> = {};
  for (let l = 0; l < layers; l++) {
    const { key, value } = cache.layer(l);
    Object.assign(views, {
      [`pastKey${l}`]: key,
      [`presentKey${l}`]: key,
      [`pastValue${l}`]: value,
      [`presentValue${l}`]: value,
    });
    for (const name of ["sourceKey", "sourceValue"])
      views[name + l] = arena.view("f32", [rows, heads, source.tokens, headSize]);
  }
  await encoder!.bind({ ...views, ids: source.ids, mask: source.mask }).run();
  const out = new Float32Array(rows * targets[0]!.length * vocabulary);
  let past = 0;
  for (const count of parts) {
    const ids = arena.view(
      "i64",
      [rows, count],
      targets.flatMap((t) => t.slice(past, past + count)),
    );
    const lengths = arena.view("i32", [rows], new Array(rows).fill(past + count - 1));
    const total = arena.view("i32", [], [past + count]);
    const logits = arena.view("f32", [rows, count, vocabulary]);
    await decoder!.bind({ ...views, ids, mask: source.mask, lengths, total, logits }).run();
    for (let row = 0; row < rows; row++) {
      const own = floats(logits).subarray(row * count * vocabulary, (row + 1) * count * vocabulary);
      out.set(own, (row * targets[0]!.length + past) * vocabulary);
    }
    past += count;
  }
  return out;
}

function difference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(got.length).toBe(expected.length);
  const gaps = Array.from(got, (v, i) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - expected[i]!)));
  return Math.max(...gaps);
}

const worst = new Map<string, number>();

describe.each(cases)("$name, $format, equals transformers", ({ name, format, file }) => {
  const key = `${name} ${format}`;
  function note(found: number): void {
    expect(found).toBeLessThan(1e-4);
    worst.set(key, Math.max(found, worst.get(key) ?? 0));
  }

  const reference = referenceOf(name);
  const { texts, targets } = reference;

  test("the encoder's hidden states, each text alone and in a batch with padding", async () => {
    const model = open(file);
    const width = model.config.hidden;
    const [program] = await compile(model, () => [traceEncoded(model)]);
    const run = async (some: Reference["texts"], padding?: number) => {
      using arena = new Arena();
      const { tokens, ...source } = sourceOf(arena, some, padding);
      const hidden = arena.view("f32", [some.length, tokens, width]);
      await program!.bind({ ...source, hidden }).run();
      return some.flatMap((t, i) => [...floats(hidden).subarray(i * tokens * width, (i * tokens + t.length) * width)]);
    };
    const expected = unpack(reference.hidden);
    for (const padding of [undefined, 50]) note(difference(await run(texts, padding), expected));
    const alone: number[] = [];
    for (const text of texts) alone.push(...(await run([text])));
    note(difference(alone, expected));
    program![Symbol.dispose]();
  });

  test("the decoder's logits, whole, in parts and step by step, each text alone and in a batch with padding", async () => {
    const model = open(file);
    const programs = await compile(model, () => [traceSource(model), traceDecoded(model)]);
    const expected = unpack(reference.logits);
    const length = targets[0]!.length;
    const steps = new Array<number>(length).fill(1);
    for (const parts of [[length], steps]) note(difference(await decode(model, programs, reference, parts), expected));
    for (const parts of [[length], [1, 9, length - 10], steps]) {
      const alone: number[] = [];
      for (const [i, text] of texts.entries())
        alone.push(...(await decode(model, programs, { texts: [text], targets: [targets[i]!] }, parts)));
      note(difference(alone, expected));
    }
    for (const program of programs) program[Symbol.dispose]();
  });
});

test("docs/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../docs/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "seq2seq");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(folders, worst));
  else for (const { name, format } of cases) stated.check(name, format, worst.get(`${name} ${format}`)!);
});
