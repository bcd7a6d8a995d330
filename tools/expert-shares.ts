/**
 * The share of a text's choices that falls on each expert: `npx tsx tools/expert-shares.ts MODEL TEXT`. The last tenth
 * of the file TEXT is read in rows of 128 tokens; prints a line for each router.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tokenizerOf } from "../src/engine/file/tokenizer-of.ts";
import { expertOrder, expertShares, Graph, topK } from "../src/graph/index.ts";
import { prepare } from "../src/models/programs.ts";
import { openDecoder } from "../src/models/registry.ts";
import { Buffer } from "../src/runtime/buffer.ts";
import { Program } from "../src/runtime/program.ts";
import { DecoderStack } from "../src/train/decoder-stack.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";

const TOKENS = 128;

const [path, text] = process.argv.slice(2);
if (!path || !text) throw new Error("expected a model's folder and a text file");
const folder = mkdtempSync(join(tmpdir(), "modicum-shares-"));
try {
  for (const [router, shares] of Object.entries(await sharesOf(path, text)))
    console.log(`${router}: ${shares.map((share) => share.toFixed(3)).join(" ")}`);
} finally {
  rmSync(folder, { recursive: true });
}

/** Each router's shares, by its layer and its place in the layer. */
async function sharesOf(model: string, file: string): Promise<Record<string, number[]>> {
  const checkpoint = openCheckpoint(model);
  const { decoder, weights } = openDecoder(checkpoint, folder, "f32");
  const { layers, vocabulary, experts } = decoder.config;
  if (!experts) throw new Error(`${model} has no experts`);
  const whole = readFileSync(file, "utf8");
  const ids = tokenizerOf(checkpoint, vocabulary).encode(whole.slice(Math.floor(0.9 * whole.length)));
  const shape = { rows: Math.floor(ids.length / TOKENS), tokens: TOKENS, packed: false };
  const stack = new DecoderStack(decoder);
  const trace = () => {
    const g = new Graph();
    let x = stack.embed(g, shape);
    for (let l = 0; l < layers; l++) {
      x = stack.layer(g, l, x, shape);
      for (const [i, logits] of stack.routers(g).entries())
        g.output(
          `layer ${l}, router ${i}`,
          expertShares(expertOrder(topK(logits, experts.active).chosen, experts.count).sizes),
        );
    }
    return [g];
  };
  using program = await Program.compile(prepare(weights, trace)[0]!);
  const input = new Buffer("i64", shape.rows * TOKENS);
  new BigInt64Array(input.memory).set(Array.from(ids.slice(0, shape.rows * TOKENS), BigInt));
  const found = program.outputs.map((name) => [name, new Buffer("f32", experts.count)] as const);
  const outputs = Object.fromEntries(found.map(([name, buffer]) => [name, buffer.view([experts.count])]));
  await program.bind({ ids: input.view([shape.rows, TOKENS]), ...outputs }).run();
  return Object.fromEntries(found.map(([name, { memory }]) => [name, [...new Float32Array(memory)]]));
}
