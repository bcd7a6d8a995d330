import { Buffer as Bytes } from "node:buffer";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { difference } from "../encoder/encoder.testing.ts";
import { Parity } from "../parity.testing.ts";
import { openSeq2Seq } from "../registry.ts";
import { Arena, compile, decode, floats, sourceOf } from "./seq2seq.testing.ts";
import { traceDecoded, traceEncoded, traceSource } from "./seq2seq-graphs.ts";

/** transformers' results in float32, one folder each: tools/reference/t5.py. */
const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const folders = readdirSync(fixtures).filter((name) => existsSync(path.join(fixtures, name, "seq2seq.json")));

interface Reference {
  readonly texts: readonly (readonly number[])[];
  /** The decoder's input for each text. */
  readonly targets: readonly (readonly number[])[];
  readonly hidden: string;
  readonly logits: string;
}
const referenceOf = (name: string): Reference =>
  JSON.parse(readFileSync(path.join(fixtures, name, "seq2seq.json"), "utf8"));
const unpack = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-seq2seq-"));
afterAll(() => rmSync(prepared, { recursive: true }));
const open = (file: string) => openSeq2Seq(openCheckpoint(file), path.join(prepared, file.replaceAll("/", "_")), "f32");

/** A fixture in one of its formats. */
const cases = folders.flatMap((name) => {
  const gguf = path.join(fixtures, name, "model.gguf");
  const folder = { name, format: "safetensors", file: path.join(fixtures, name) };
  return existsSync(gguf) ? [folder, { name, format: "GGUF", file: gguf }] : [folder];
});

const worst = new Map<string, number>();

describe.each(cases)("$name, $format, equals transformers", ({ name, format, file }) => {
  const key = `${name} ${format}`;
  function note(actual: number): void {
    expect(actual).toBeLessThan(1e-4);
    worst.set(key, Math.max(actual, worst.get(key) ?? 0));
  }

  const reference = referenceOf(name);
  const { texts, targets } = reference;

  test("the encoder's hidden states, each text alone and in a batch with padding", async () => {
    const { model, weights } = await open(file);
    const width = model.config.hidden;
    const [program] = await compile({ weights }, () => [traceEncoded(model)]);
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
    const { model, weights } = await open(file);
    const programs = await compile({ weights }, () => [traceSource(model), traceDecoded(model)]);
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

test("docs/reference/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../docs/reference/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "seq2seq");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(folders, worst));
  else for (const { name, format } of cases) stated.check(name, format, worst.get(`${name} ${format}`)!);
});
