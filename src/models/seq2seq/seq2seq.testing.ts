/** Runs texts through the graphs of an encoder–decoder, for tests that compare outputs. */
import type { Graph } from "../../graph/index.ts";
import { count } from "../../graph/ndarray.ts";
import { Buffer, type View } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import { prepare } from "../programs/programs.ts";
import type { OpenSeq2Seq } from "../registry.ts";
import { KvCache } from "../state/cache.ts";
import type { Seq2Seq } from "./seq2seq.ts";

/** Ids of texts, and the decoder's input for each. */
export interface Texts {
  readonly texts: readonly (readonly number[])[];
  readonly targets: readonly (readonly number[])[];
}

/** The buffers of one test, disposed of at its end. */
export class Arena implements Disposable {
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

export const floats = (view: View): Float32Array => new Float32Array(view.buffer.memory).slice();

export async function compile({ weights }: Pick<OpenSeq2Seq, "weights">, trace: () => Graph[]): Promise<Program[]> {
  return Promise.all(prepare(weights, trace).map((graph) => Program.compile(graph)));
}

/** Puts texts into one batch, padded to `tokens`. */
export function sourceOf(arena: Arena, texts: Texts["texts"], tokens = Math.max(...texts.map((t) => t.length))) {
  const padded = texts.flatMap((t) => [...t, ...new Array(tokens - t.length).fill(0)]);
  const mask = texts.flatMap((t) => Array.from({ length: tokens }, (_, i) => Number(i < t.length)));
  const shape = [texts.length, tokens];
  return { tokens, ids: arena.view("i64", shape, padded), mask: arena.view("i32", shape, mask) };
}

/**
 * Logits [texts, target, vocabulary] of a batch. Decodes `parts` tokens at a time, with a cache. Weights that are not
 * constants are bound as `inputs`.
 */
export async function decode(
  model: Seq2Seq,
  [encoder, decoder]: readonly Program[],
  { texts, targets }: Texts,
  parts: readonly number[],
  inputs: Readonly<Record<string, View>> = {},
): Promise<Float32Array> {
  using arena = new Arena();
  const { layers, heads, headSize, vocabulary } = model.config;
  const rows = texts.length;
  using cache = new KvCache(model.config, rows);
  const source = sourceOf(arena, texts);
  const views: Record<string, View> = { ...inputs };
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
