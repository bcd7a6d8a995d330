import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { resolveModel } from "../../../src/weights/sources/index.ts";
import { MODEL } from "./answered.ts";
import type { Examples } from "./linear-start.ts";
import { fromBf16, type ReadText, readShard, shardNames } from "./shards.ts";
import { type DraftBatch, HIDDEN, VOCABULARY } from "./stack.ts";

interface Shape {
  readonly rows: number;
  readonly tokens: number;
}

/** A part of a text in a row: position i holds the stream of token `first + i` and the vector of the next token. */
interface Piece {
  readonly text: ReadText;
  readonly first: number;
  readonly places: number;
}

/** The model's own numbers that a draft needs. */
export interface OwnRows {
  /** The tokens among which a draft chooses, the commonest choices of the model in the training texts. */
  readonly tokens: Int32Array;
  /** Their rows of the head, [tokens, hidden]. */
  readonly head: Float32Array;
  /** The gain of the norm before it. */
  readonly norm: Float32Array;
  /** A token's vector, of root mean square 1. */
  vectorOf(token: number): Float32Array;
}

/** Training rows and held-out ones, in batches. */
export async function openRows(folder: string, shape: Shape) {
  const read = (prefix: string) => shardNames(folder, prefix).flatMap((name) => readShard(folder, name));
  const [training, held] = [read("train-"), read("held-")];
  const own = await ownRows(training);
  const choices = new Map(Array.from(own.tokens, (token, i) => [token, i]));
  const places = training.reduce((sum, { ids }) => sum + ids.length - 1, 0);
  const batches = Math.floor(places / (shape.rows * shape.tokens));
  const packedFor = (texts: readonly ReadText[]) => packed(texts, shape.tokens);
  const heldRows = packedFor(shuffle([...held], seededRandom(0)));
  let epoch = { number: -1, rows: [] as Piece[][] };
  const rowsOf = (number: number): Piece[][] => {
    if (epoch.number !== number) epoch = { number, rows: packedFor(shuffle([...training], seededRandom(number + 1))) };
    return epoch.rows;
  };
  const made = (rows: readonly Piece[][], at: number): DraftBatch =>
    batchOf(rows.slice(at * shape.rows, (at + 1) * shape.rows), shape, { own, choices });
  const answers = training.filter(({ answered }) => answered);
  return {
    own,
    tokensRead: training.reduce((sum, { ids }) => sum + ids.length, 0),
    answerTokens: answers.reduce((sum, { ids, from }) => sum + ids.length - from, 0),
    batches,
    heldBatches: Math.floor(heldRows.length / shape.rows),
    examples: (places: number) => examplesOf(shuffle([...training], seededRandom(0)), places, own),
    batch: (index: number) => made(rowsOf(Math.floor(index / batches)), index % batches),
    heldBatch: (index: number) => made(heldRows, index),
  };
}

/** Packs texts into rows, all full except the last; a text that does not fit continues in the next row. */
function packed(texts: readonly ReadText[], tokens: number): Piece[][] {
  const rows: Piece[][] = [[]];
  let room = tokens;
  for (const text of texts)
    for (let first = 0; first < text.ids.length - 1; ) {
      const places = Math.min(room, text.ids.length - 1 - first);
      rows.at(-1)!.push({ text, first, places });
      first += places;
      room -= places;
      if (room === 0) {
        rows.push([]);
        room = tokens;
      }
    }
  return rows;
}

/** Yields joined vectors with the model's stream at the next token, text by text, up to `most`. */
function* examplesOf(texts: readonly ReadText[], most: number, own: OwnRows): Generator<Examples> {
  let total = 0;
  for (const { ids, features: bits } of texts) {
    if (total >= most) return;
    const features = new Float32Array(ids.length * HIDDEN);
    fromBf16(bits, features);
    const count = ids.length - 1;
    const x = new Float32Array(count * 2 * HIDDEN);
    for (let i = 0; i < count; i++) {
      x.set(own.vectorOf(ids[i + 1]!), 2 * i * HIDDEN);
      x.set(features.subarray(i * HIDDEN, (i + 1) * HIDDEN), (2 * i + 1) * HIDDEN);
    }
    yield { x, y: features.subarray(HIDDEN) };
    total += count;
  }
}

interface BatchTerms {
  readonly own: OwnRows;
  readonly choices: ReadonlyMap<number, number>;
}

function batchOf(all: readonly Piece[][], { rows, tokens }: Shape, { own, choices }: BatchTerms): DraftBatch {
  const joined = new Float32Array(rows * tokens * 2 * HIDDEN);
  const labels = new Int32Array(rows * tokens).fill(-1);
  const documents = new Int32Array(rows * tokens).fill(-1);
  for (const [row, pieces] of all.entries()) {
    let at = row * tokens;
    for (const [number, { text, first, places }] of pieces.entries()) {
      const features = new Float32Array(text.ids.length * HIDDEN);
      fromBf16(text.features, features);
      for (let i = 0; i < places; i++, at++) {
        joined.set(own.vectorOf(text.ids[first + i + 1]!), 2 * at * HIDDEN);
        joined.set(features.subarray((first + i) * HIDDEN, (first + i + 1) * HIDDEN), (2 * at + 1) * HIDDEN);
        labels[at] = choices.get(text.best[first + i + 1]!) ?? -1;
        documents[at] = number;
      }
    }
  }
  const labelled = labels.reduce((sum, label) => sum + Number(label >= 0), 0);
  const ids = new Int32Array(rows * tokens);
  return { rows, tokens, ids, labels, labelled, samples: all.length, documents, joined };
}

/** The model's numbers, with the commonest of its choices in some texts. */
export async function ownRows(training: readonly ReadText[]): Promise<OwnRows> {
  const checkpoint = openCheckpoint((await resolveModel(MODEL)).path);
  const table = checkpoint.tensors.get("token_embd.weight")!;
  const counts = new Map<number, number>();
  for (const { best } of training) for (const token of best) counts.set(token, (counts.get(token) ?? 0) + 1);
  const common = [...counts].sort(([a, n], [b, m]) => m - n || a - b).map(([token]) => token);
  // If fewer were chosen, the first ids, which are the commonest of the tokenizer's.
  for (let id = 0; common.length < VOCABULARY; id++) if (!counts.has(id)) common.push(id);
  const tokens = Int32Array.from(common.slice(0, VOCABULARY)).sort();
  const head = new Float32Array(VOCABULARY * HIDDEN);
  const rowOf = (token: number) => checkpoint.floats(table, [token, token + 1]);
  for (const [i, token] of tokens.entries()) head.set(rowOf(token), i * HIDDEN);
  const norm = checkpoint.floats(checkpoint.tensors.get("output_norm.weight")!);
  const known = new Map<number, Float32Array>();
  const vectorOf = (token: number): Float32Array => {
    const vector = known.get(token) ?? normalised(rowOf(token));
    known.set(token, vector);
    return vector;
  };
  return { tokens, head, norm, vectorOf };
}

function normalised(values: Float32Array): Float32Array {
  const square = values.reduce((sum, x) => sum + x * x, 0) / values.length;
  return values.map((x) => x / Math.sqrt(square + 1e-12));
}
