import { UserError } from "../../../util/errors.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { Batch, Dropped, TrainingData } from "../../data/batch.ts";
import { hashOf, readText } from "../../data/files.ts";
import { promptsOf, type RunData, sharedOut } from "../../data/open.ts";
import { epochOrder } from "../../data/order.ts";
import { joined } from "../../data/rows.ts";
import { type LabelRule, type Sample, samplesOf } from "../../data/samples.ts";
import type { TrainOptions } from "../../options.ts";
import type { DataHost } from "../method.ts";
import { type ComparedSample, Comparisons } from "./comparisons.ts";
import { type PromptRow, readJudged, readPairs, recordOf } from "./rows.ts";

/** A prompt's tokens with a completion's. */
interface Sequence extends Sample {
  /** The first position that predicts the completion. */
  readonly start: number;
}

/** Two sequences that are scored together. */
interface SequencePair {
  readonly sequences: readonly [Sequence, Sequence];
  readonly label?: boolean;
}

/** Pairs of a chosen and a rejected completion; `labels`: the labels of the chosen one. @throws UserError with file and line */
export const pairData = (labels: LabelRule, { options, tokenizer }: DataHost): RunData =>
  preferenceData(options, tokenizer, readPairs(options.data), (rows) =>
    rows.map((row) => ({
      sequences: [sequenceOf(row, row.chosen, tokenizer, labels), sequenceOf(row, row.rejected, tokenizer)],
    })),
  );

/** Judged completions; each prompt is also paired with the previous row's completion. @throws UserError with file and line */
export const judgedData = ({ options, tokenizer }: DataHost): RunData =>
  preferenceData(options, tokenizer, readJudged(options.data), (rows) =>
    rows.map((row, i) => {
      const mismatched = sequenceOf(row, rows.at(i - 1)!.completion, tokenizer);
      const cut = (values: Int32Array) => values.subarray(0, options.tokens);
      const shortened = { ...mismatched, ids: cut(mismatched.ids), labels: cut(mismatched.labels) };
      return { sequences: [sequenceOf(row, row.completion, tokenizer), shortened], label: row.label };
    }),
  );

function sequenceOf(
  row: PromptRow,
  completion: Parameters<typeof recordOf>[1],
  tokenizer: Tokenizer,
  rule: LabelRule = "answers",
): Sequence {
  const records = [recordOf(row, completion)];
  const [answers] = samplesOf(records, tokenizer, "answers");
  const { ids, labels } = rule === "answers" ? answers! : samplesOf(records, tokenizer, rule)[0]!;
  return { ids, labels, start: answers!.labels.findIndex((label) => label >= 0) };
}

function preferenceData<R extends PromptRow>(
  { data: files, validation, batch, tokens, seed, packing, labels }: TrainOptions,
  tokenizer: Tokenizer,
  all: readonly R[],
  read: (rows: readonly R[]) => SequencePair[],
): RunData {
  if (packing) throw new UserError("packing: a row holds one completion; omit packing", 2);
  if (labels === "all") throw new UserError("labels: preferences are between completions; omit labels", 2);
  const [training, heldOut] = sharedOut(all, validation).map((rows) => keptOf(read(rows), tokens));
  if (training!.kept.length === 0)
    throw new UserError(`${files[0]}: no sample has a completion and fits into ${tokens} tokens`);
  const first = 2 * training!.kept.length;
  const of = new Comparisons(first + 2 * heldOut!.kept.length);
  const form = { batch, tokens, of };
  return {
    training: inPairs(training!, { ...form, seed, first: 0 }),
    heldOut: heldOut!.kept.length > 0 ? inPairs(heldOut!, { ...form, first }) : undefined,
    hash: hashOf(files.map(readText)),
    prompts: promptsOf(
      all.map((row) => (typeof row.prompt === "string" ? "raw" : "chat")),
      tokenizer,
    ),
    comparisons: of,
  };
}

interface Kept {
  readonly kept: readonly SequencePair[];
  readonly dropped: Dropped;
}

/** The samples with two completions that fit. */
function keptOf(all: readonly SequencePair[], tokens: number): Kept {
  const labelled = all.filter(({ sequences }) => sequences.every(({ start }) => start >= 0));
  const kept = labelled.filter(({ sequences }) => sequences.every(({ ids }) => ids.length <= tokens));
  return { kept, dropped: { long: labelled.length - kept.length, unlabelled: all.length - labelled.length } };
}

interface PairBatching {
  /** Samples per batch. */
  readonly batch: number;
  readonly tokens: number;
  readonly seed?: number;
  readonly of: Comparisons;
  /** The place of the first sequence among the run's. */
  readonly first: number;
}

/** Batches with each sample in two adjacent rows, every sample once an epoch. */
function inPairs({ kept, dropped }: Kept, { batch: size, tokens, seed, of, first }: PairBatching): TrainingData {
  const [rows, batches] = [2 * size, Math.ceil(kept.length / size)];
  const order = epochOrder(kept.length, seed);
  return {
    ...{ rows, tokens, batches, samples: kept.length, dropped },
    batch(index): Batch {
      const from = (index % batches) * size;
      const places = [...order(Math.floor(index / batches)).subarray(from, from + size)];
      const sequences = places.flatMap((place) => kept[place]!.sequences);
      const samples = places.map((place): ComparedSample => {
        const { sequences, label } = kept[place]!;
        const [a, b] = sequences;
        return { place: first + 2 * place, starts: [a.start, b.start], ...(label !== undefined && { label }) };
      });
      return {
        ...joined(
          sequences.map(({ ids, labels }) => ({ ids, labels, samples: 1 })),
          { rows, tokens, packed: false },
        ),
        ...{ labelled: samples.length, samples: samples.length, compared: { samples, of } },
      };
    },
  };
}
