import { dirname, join } from "node:path";
import { z } from "zod";
import { readImage } from "../../../engine/images/pixels/input.ts";
import { CHANNELS } from "../../../engine/images/pixels/pixels.ts";
import { type ImageProcessor, normalisePixels, sized } from "../../../engine/images/pixels/processor.ts";
import type { ImageText } from "../../../models/images/image-text.ts";
import { UserError } from "../../../util/errors.ts";
import { seededRandom, shuffle } from "../../../util/random.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import { checkedLines } from "../../data/checked-lines.ts";
import type { DataInputs } from "../../whole/given-buffers.ts";

const text = z.string().min(1);
const line = z.object({ image: text, caption: text, key: text.optional(), group: text.optional() });

export interface Pair {
  readonly image: string;
  readonly caption: string;
  /** Identifies equivalent pairs, which never share a batch; default: the caption. */
  readonly key: string;
  /** All pairs of a batch are from the same group, because pairs that are hard to tell apart teach more. */
  readonly group: string;
}

/** Reads the pairs of JSON Lines files. @throws UserError with the number of an invalid line */
export function readPairs(files: readonly string[]): Pair[] {
  const pairs = files.flatMap(pairsOf);
  if (pairs.length > 1) return pairs;
  throw new UserError(`${files.join(", ")}: got ${pairs.length} pictures with captions, expected at least two`);
}

const pairsOf = (file: string): Pair[] =>
  checkedLines(file, line).map(({ image, caption, key = caption, group = "" }) => ({
    image: join(dirname(file), image),
    caption,
    key,
    group,
  }));

/** Gives every picture another picture's caption. */
export function shuffledPairs(pairs: readonly Pair[], seed: number): Pair[] {
  const order = shuffle([...pairs.keys()], seededRandom(seed));
  const caption = new Map(order.map((from, i) => [from, pairs[order[(i + 1) % order.length]!]!.caption]));
  return pairs.map((pair, i) => ({ ...pair, key: caption.get(i)!, caption: caption.get(i)! }));
}

/** The pairs of each group. */
function groupsOf(pairs: readonly Pair[]): Map<string, Pair[]> {
  const groups = new Map<string, Pair[]>();
  for (const pair of pairs) {
    const group = groups.get(pair.group);
    if (group) group.push(pair);
    else groups.set(pair.group, [pair]);
  }
  return groups;
}

/** The number of pairs per batch: `size`, or the number of keys in the smallest group if that is lower. */
export const rowsOf = (pairs: readonly Pair[], size: number): number =>
  Math.min(size, ...[...groupsOf(pairs).values()].map((group) => new Set(group.map(({ key }) => key)).size));

/** Endless batches, each from one group and without repeated keys; groups are drawn in proportion to size. */
export function* batchesOf(pairs: readonly Pair[], rows: number, seed: number): Generator<Pair[], never> {
  const random = seededRandom(seed);
  const groups = groupsOf(pairs);
  const queues = new Map<string, Pair[]>();
  for (;;) {
    const { group } = pairs[Math.floor(random() * pairs.length)]!;
    const queue = queues.get(group) ?? [];
    queues.set(group, queue);
    const batch = new Map<string, Pair>();
    const later: Pair[] = [];
    while (batch.size < rows) {
      if (queue.length === 0) queue.push(...shuffle([...groups.get(group)!], random));
      const pair = queue.pop()!;
      if (batch.has(pair.key)) later.push(pair);
      else batch.set(pair.key, pair);
    }
    queue.push(...later);
    yield [...batch.values()];
  }
}

export interface PairBatch {
  /** `pixels` [rows, 3, side, side], `ids` and `mask` [rows, tokens], `own` [rows]: each row's own index. */
  readonly inputs: DataInputs;
  /** The number of tokens in the batch's longest caption; `tokens` is the total number in all its captions. */
  readonly longest: number;
  readonly tokens: number;
}

/** A model, with its tokenizer and its image processor. */
export interface PairReader {
  readonly model: ImageText;
  readonly tokenizer: Tokenizer;
  readonly processor: ImageProcessor;
}

/** Converts pairs to a program's inputs. @throws UserError if a picture cannot be read */
export async function pairInputs(
  batch: readonly Pair[],
  { model, tokenizer, processor }: PairReader,
): Promise<PairBatch> {
  const rows = batch.length;
  const { context } = model.text.config;
  const texts = batch.map(({ caption }) => filled(tokenizer.input(caption, { limit: context }).ids, model, tokenizer));
  const longest = Math.max(...texts.map((ids) => ids.length));
  const [ids, mask] = [new Int32Array(rows * longest), new Int32Array(rows * longest)];
  for (const [row, text] of texts.entries()) {
    ids.set(text, row * longest);
    mask.fill(1, row * longest, row * longest + text.length);
  }
  const inputs = {
    pixels: { dtype: "f32", ...(await pixelsOf(batch, processor)) },
    ids: { dtype: "i64", shape: [rows, longest], values: ids },
    mask: { dtype: "i32", shape: [rows, longest], values: mask },
    own: { dtype: "i64", shape: [rows], values: Int32Array.from(batch.keys()) },
  } as const;
  return { inputs, longest, tokens: texts.reduce((sum, { length }) => sum + length, 0) };
}

/** Pads a text to the model's fixed length, if it has one. */
function filled(ids: readonly number[], { traits }: ImageText, { pad }: Tokenizer): readonly number[] {
  if (traits.textLength === undefined) return ids;
  return Array.from({ length: traits.textLength }, (_, i) => ids[i] ?? pad!);
}

/** Pixels [pictures, 3, side, side]. @throws UserError if a picture cannot be read */
async function pixelsOf(pictures: readonly { readonly image: string }[], processor: ImageProcessor) {
  const { width, height } = processor;
  const values = new Float32Array(pictures.length * CHANNELS * width * height);
  await Promise.all(
    pictures.map(async (picture, i) => {
      const pixels = normalisePixels(await sized(await readImage(picture, i), processor), processor);
      values.set(pixels, i * CHANNELS * width * height);
    }),
  );
  return { shape: [pictures.length, CHANNELS, height, width], values };
}
