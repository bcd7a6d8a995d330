/** A model computes the same whether its weights are constants or inputs of the graph. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Program } from "../../runtime/program.ts";
import { openLora } from "../../weights/adapter/lora.ts";
import { LoraLayers } from "../../weights/adapter/lora-layers.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { bert } from "../architectures/bert.ts";
import { gemma3 } from "../architectures/gemma3.ts";
import { gpt2 } from "../architectures/gpt2.ts";
import { llama } from "../architectures/llama.ts";
import { modernbert } from "../architectures/modernbert.ts";
import { phi3 } from "../architectures/phi3.ts";
import { t5 } from "../architectures/t5.ts";
import { difference, run } from "../encoder/encoder.testing.ts";
import { traceHidden } from "../encoder/encoder-graphs.ts";
import { traceDense } from "../programs/segments.ts";
import { cuts, Stack } from "../programs/stack.testing.ts";
import { openDecoder, openEncoder, openSeq2Seq } from "../registry.ts";
import { compile, decode } from "../seq2seq/seq2seq.testing.ts";
import { traceDecoded, traceSource } from "../seq2seq/seq2seq-graphs.ts";
import { layoutOf } from "./adapter-layout.ts";
import { InputWeights } from "./input-weights.testing.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const adapterOf = (name: string) => fileURLToPath(new URL(`../../weights/adapter/fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-source-"));
afterAll(() => rmSync(folder, { recursive: true }));
const ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];

describe.each([
  { file: "llama-tiny.gguf", architecture: llama },
  { file: "llama-tiny-untied.gguf", architecture: llama },
  { file: "llama-tiny.gguf", architecture: llama, adapter: "llama-gguf-head" },
  { file: "llama-biased", architecture: llama, adapter: "llama" },
  { file: "gpt2", architecture: gpt2, adapter: "gpt2" },
  { file: "gemma3", architecture: gemma3, adapter: "gemma3" },
  { file: "phi3-long", architecture: phi3 },
])("$file, adapter $adapter", ({ file, architecture, adapter }) => {
  const checkpoint = openCheckpoint(fixture(file));
  const prepared = (lora = adapter) =>
    openDecoder(checkpoint, path.join(folder, file), "f32", lora === undefined ? undefined : openLora(adapterOf(lora)));

  /** Runs the same model with its weights as graph inputs. */
  async function ofInputs() {
    const names = architecture.tensors(checkpoint);
    const layout = layoutOf(checkpoint, architecture, (await prepared()).decoder);
    const loraLayers = adapter === undefined ? undefined : new LoraLayers(openLora(adapterOf(adapter)), layout);
    const source = new InputWeights(checkpoint, names, loraLayers);
    return { source, decoder: architecture.open(source) };
  }

  test.each(cuts)("cut: %s, inputs compute what prepared constants do", async (cut) => {
    const { decoder, weights } = await prepared();
    using constants = await Stack.compile(decoder, weights, cut);
    const other = await ofInputs();
    using source = other.source;
    using inputs = await Stack.compile(other.decoder, undefined, cut, source.views);
    expect(difference(await inputs.run(ids), await constants.run(ids))).toBeLessThan(1e-5);
    expect(difference(await inputs.run([7]), await constants.run([7]))).toBeLessThan(1e-5);
  });

  test("every weight is an input; what the model computes is a constant", async () => {
    const other = await ofInputs();
    using source = other.source;
    const graphs = traceDense(other.decoder);
    const inputNames = new Set(graphs.flatMap((graph) => graph.inputs.map(({ name }) => name)));
    expect(Object.keys(source.views).length).toBeGreaterThan(10);
    for (const name of Object.keys(source.views)) expect(inputNames).toContain(name);
    const constants = graphs.flatMap((graph) => graph.constants.map(({ name }) => name));
    for (const name of constants) expect(name).toMatch(/rope|cos|sin/);
  });
});

test("what is bound to an input counts from the next run on, with the programs that there are", async () => {
  const checkpoint = openCheckpoint(fixture("llama-tiny.gguf"));
  using source = new InputWeights(checkpoint, llama.tensors(checkpoint));
  using stack = await Stack.compile(llama.open(source), undefined, "whole", source.views);
  const before = await stack.run([3]);
  new Float32Array(source.views["output_norm.weight"]!.buffer.memory).fill(0);
  expect(before.some((v) => v !== 0)).toBe(true);
  expect((await stack.run([3])).every((v) => v === 0)).toBe(true);
});

test("a tensor that is missing has no values", async () => {
  const checkpoint = openCheckpoint(fixture("llama-tiny.gguf"));
  const { weights } = await openDecoder(checkpoint, path.join(folder, "values"), "f32");
  expect(weights.values("rope_freqs.weight")).toBeUndefined();
  expect(weights.values("output_norm.weight")).toHaveLength(llama.configure(checkpoint.config).hidden);
});

test.each([
  { file: "bert", architecture: bert },
  { file: "modernbert", architecture: modernbert },
])("$file: an encoder's hidden states over inputs", async ({ file, architecture }) => {
  const checkpoint = openCheckpoint(fixture(file));
  const { encoder, weights } = await openEncoder(checkpoint, path.join(folder, file), "f32");
  using source = new InputWeights(checkpoint, architecture.tensors(checkpoint));
  const other = architecture.open(source);
  const texts = { texts: [ids, ids.slice(3)] };
  const result = await run({ inputs: source.views }, () => traceHidden(other), texts);
  expect(difference(result, await run({ weights }, () => traceHidden(encoder), texts))).toBeLessThan(1e-5);
});

test("t5-gated: an encoder–decoder's logits over inputs", async () => {
  const checkpoint = openCheckpoint(fixture("t5-gated"));
  const { model, weights } = await openSeq2Seq(checkpoint, path.join(folder, "t5"), "f32");
  using source = new InputWeights(checkpoint, t5.tensors(checkpoint));
  const other = t5.open(source);
  const texts = { texts: [ids], targets: [[0, 2, 3]] };
  const constants = await compile({ weights }, () => [traceSource(model), traceDecoded(model)]);
  const inputs = await Promise.all([traceSource(other), traceDecoded(other)].map((graph) => Program.compile(graph)));
  const result = await decode(other, inputs, texts, [3], source.views);
  expect(difference(result, await decode(model, constants, texts, [3]))).toBeLessThan(1e-5);
  for (const program of [...constants, ...inputs]) program[Symbol.dispose]();
});
