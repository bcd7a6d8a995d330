import { createHash } from "node:crypto";
import type { LanguageModel } from "../../../src/engine/decode/language-model.ts";
import { type Corpus, type Part, parts } from "../../../src/train/methods/exit-heads/corpus.ts";
import { StateCache } from "../../../src/train/methods/exit-heads/states/cache.ts";
import { collectStates } from "../../../src/train/methods/exit-heads/states/collect.ts";
import { type TrainingStates, trainingStates } from "../../../src/train/methods/exit-heads/training-states.ts";
import { modelHash } from "../../../src/weights/sources/index.ts";
import { type Kind, makeTexts, type Text } from "./texts.ts";

/** The number of characters read from each text; no text is shorter. */
export const BLOCK = 144;

/** Texts of each part. */
export type Counts = Readonly<Record<Part, number>>;
const TEXTS: Counts = { training: 300, calibration: 100, test: 300 };

/** Seeds of texts that no training has seen. */
const SEEDS: Readonly<Record<Part, number>> = { training: 5001, calibration: 5002, test: 5003 };

/** The model's streams on texts, and what is asked there. */
export interface SmallStates extends TrainingStates {
  readonly texts: readonly Text[];
  /** 1 for positions whose next character is part of an answer. */
  readonly asked: Uint8Array;
}

/** Runs a model over texts of all kinds, or of one; the streams after all layers but the last are kept under MODICUM_HOME. */
export async function statesOf(
  { source, decoder, tokenizer, engine }: LanguageModel,
  only?: Kind,
  counts: Counts = TEXTS,
): Promise<SmallStates> {
  const texts = parts.flatMap((part) => makeTexts(SEEDS[part], counts[part], only));
  const blocks = texts.map(({ text }) => Int32Array.from(tokenizer.encode(text).slice(0, BLOCK + 1)));
  const corpus: Corpus = { sha256: hashOf(blocks), block: BLOCK, blocks, ranges: ranges(counts) };
  const { layers, hidden } = decoder.config;
  const exits = Array.from({ length: layers - 1 }, (_, i) => i + 1);
  const key = { modelSha256: await modelHash(source), quant: "auto", dataSha256: corpus.sha256, block: BLOCK };
  const cache = StateCache.of(key, hidden, exits);
  await collectStates(engine, corpus, cache, {});
  return { ...trainingStates(corpus, cache), texts, asked: askedIn(texts) };
}

function ranges({ training, calibration, test }: Counts): Corpus["ranges"] {
  const end = training + calibration;
  return { training: [0, training], calibration: [training, end], test: [end, end + test] };
}

/** Position t predicts character t + 1. */
function askedIn(texts: readonly Text[]): Uint8Array {
  const answerMask = new Uint8Array(texts.length * BLOCK);
  for (const [row, { answers }] of texts.entries())
    for (const [from, to] of answers)
      for (let at = from; at < Math.min(to, BLOCK + 1); at++) answerMask[row * BLOCK + at - 1] = 1;
  return answerMask;
}

function hashOf(blocks: readonly Int32Array[]): string {
  const hash = createHash("sha256");
  for (const block of blocks) hash.update(new Uint8Array(block.buffer));
  return hash.digest("hex");
}
