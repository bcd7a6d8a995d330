import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tokenizerOf } from "../../src/engine/file/tokenizer-of.ts";
import { Graph, type Tensor } from "../../src/graph/index.ts";
import { prepare } from "../../src/models/programs/programs.ts";
import { openDecoder } from "../../src/models/registry.ts";
import { Buffer } from "../../src/runtime/buffer.ts";
import { Program } from "../../src/runtime/program.ts";
import { DecoderStack } from "../../src/train/graphs/decoder-stack.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import type { Tokenizer } from "../../src/weights/tokenizer/index.ts";

/** A reading of a router's logits, f32 with `size` numbers. */
export interface Reading {
  readonly size: number;
  of(logits: Tensor, experts: { readonly count: number; readonly active: number }): Tensor;
}

/** Reads every router of a decoder with experts on rows of tokens, `ids` [rows, tokens]: a router's numbers by its name. */
export async function readRouters(
  model: string,
  rowsOf: (tokenizer: Tokenizer) => { readonly ids: readonly number[]; readonly tokens: number },
  readingOf: (rows: number, experts: number) => Reading,
): Promise<Record<string, Float32Array>> {
  const folder = mkdtempSync(join(tmpdir(), "modicum-routers-"));
  try {
    const checkpoint = openCheckpoint(model);
    const { decoder, weights } = await openDecoder(checkpoint, folder, "f32");
    const { layers, vocabulary, experts } = decoder.config;
    if (!experts) throw new Error(`${model} has no experts`);
    const { ids, tokens } = rowsOf(tokenizerOf(checkpoint, vocabulary));
    const shape = { rows: ids.length / tokens, tokens, packed: false };
    const reading = readingOf(shape.rows, experts.count);
    const stack = new DecoderStack(decoder);
    const trace = () => {
      const g = new Graph();
      let x = stack.embed(g, shape);
      for (let l = 0; l < layers; l++) {
        x = stack.layer(g, l, x, shape);
        for (const [i, logits] of stack.routers(g).entries())
          g.output(`layer ${l}, router ${i}`, reading.of(logits, experts));
      }
      return [g];
    };
    using program = await Program.compile(prepare(weights, trace)[0]!);
    const input = new Buffer("i64", ids.length);
    new BigInt64Array(input.memory).set(Array.from(ids, BigInt));
    const found = program.outputs.map((name) => [name, new Buffer("f32", reading.size)] as const);
    const outputs = Object.fromEntries(found.map(([name, buffer]) => [name, buffer.view([reading.size])]));
    await program.bind({ ids: input.view([shape.rows, tokens]), ...outputs }).run();
    return Object.fromEntries(found.map(([name, { memory }]) => [name, new Float32Array(memory).slice()]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
