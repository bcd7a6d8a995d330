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
import { Parity } from "./parity.testing.ts";
import { prepare } from "./programs.ts";
import { openSeq2Seq } from "./registry.ts";
import type { Seq2Seq } from "./seq2seq.ts";
import { traceEncoded } from "./seq2seq-graphs.ts";

/** By transformers in float32, a folder each: tools/reference/t5.py. */
const fixtures = fileURLToPath(new URL("fixtures", import.meta.url));
const folders = readdirSync(fixtures).filter((name) => existsSync(path.join(fixtures, name, "seq2seq.json")));

interface Reference {
  readonly texts: readonly (readonly number[])[];
  readonly hidden: string;
}
const referenceOf = (name: string): Reference =>
  JSON.parse(readFileSync(path.join(fixtures, name, "seq2seq.json"), "utf8"));
const unpack = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-seq2seq-"));
afterAll(() => rmSync(prepared, { recursive: true }));
const open = (name: string): Seq2Seq =>
  openSeq2Seq(openCheckpoint(path.join(fixtures, name)), path.join(prepared, name), "f32");

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

function difference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(got.length).toBe(expected.length);
  const gaps = Array.from(got, (v, i) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - expected[i]!)));
  return Math.max(...gaps);
}

const worst = new Map<string, number>();
function note(name: string, found: number): void {
  expect(found).toBeLessThan(1e-4);
  worst.set(`${name} safetensors`, Math.max(found, worst.get(`${name} safetensors`) ?? 0));
}

describe.each(folders)("%s equals transformers", (name) => {
  const reference = referenceOf(name);
  const { texts } = reference;

  test("the encoder's hidden states, each text alone and in a batch with padding", async () => {
    const model = open(name);
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
    for (const padding of [undefined, 50]) note(name, difference(await run(texts, padding), expected));
    const alone: number[] = [];
    for (const text of texts) alone.push(...(await run([text])));
    note(name, difference(alone, expected));
    program![Symbol.dispose]();
  });
});

test("docs/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../docs/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "seq2seq");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(folders, worst));
  else for (const name of folders) stated.check(name, "safetensors", worst.get(`${name} safetensors`)!);
});
