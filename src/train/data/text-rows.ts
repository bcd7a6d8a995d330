import type { TextHeadSettings } from "../heads/settings.ts";
import { type Batch, NONE_DROPPED, type TrainingData } from "./batch.ts";
import { epochOrder } from "./order.ts";

/** Texts as rows, padded to the longest. */
export function inRows(texts: readonly Int32Array[]): Pick<Batch, "rows" | "tokens" | "ids" | "lengths"> {
  const lengths = Int32Array.from(texts, ({ length }) => length);
  const tokens = lengths.reduce((most, length) => Math.max(most, length), 1);
  const ids = new Int32Array(texts.length * tokens);
  for (const [row, text] of texts.entries()) ids.set(text, row * tokens);
  return { rows: texts.length, tokens, ids, lengths };
}

/** Orders texts by length, so that texts of similar length share a batch. */
export const byLength = (a: Int32Array, b: Int32Array): number => a.length - b.length;

/** The texts that are scored together for one label, such as a query and its documents. */
export interface TextSample {
  readonly texts: readonly Int32Array[];
  /** The text's class, if it has one. */
  readonly label?: number;
}

/** Samples for a head over whole texts. */
export interface TextSamples {
  readonly head: TextHeadSettings;
  readonly samples: readonly TextSample[];
  readonly batch: (samples: readonly TextSample[]) => Batch;
}

interface TextBatching extends Pick<TextSamples, "batch"> {
  /** Samples per batch. */
  readonly size: number;
  /** The shuffle seed; the order differs in each epoch. Without a seed, samples stay in order. */
  readonly seed?: number | undefined;
}

/** Batches of samples, each used once per epoch; the last batch of an epoch may be smaller. */
export function textBatches(samples: readonly TextSample[], { size, batch, seed }: TextBatching): TrainingData {
  const batches = Math.ceil(samples.length / size);
  const order = epochOrder(samples.length, seed);
  const most = (of: (sample: TextSample) => number) => samples.reduce((max, sample) => Math.max(max, of(sample)), 1);
  return {
    rows: Math.min(size, samples.length) * most(({ texts }) => texts.length),
    tokens: most(({ texts }) => Math.max(...texts.map(({ length }) => length))),
    ...{ batches, samples: samples.length, dropped: NONE_DROPPED },
    batch(index) {
      const first = (index % batches) * size;
      const places = order(Math.floor(index / batches)).subarray(first, first + size);
      return batch(Array.from(places, (place) => samples[place]!));
    },
  };
}
