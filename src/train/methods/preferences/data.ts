import { UserError } from "../../../util/errors.ts";
import type { Batch, DropCounts, TrainingData } from "../../data/batch.ts";
import { hashOf } from "../../data/files.ts";
import { type DataFiles, promptsOf, type RunData, refuseWeights, sharedOut } from "../../data/open.ts";
import { epochOrder } from "../../data/order.ts";
import { joined } from "../../data/rows.ts";
import { type LabelRule, type Sample, samplesOf } from "../../data/samples.ts";
import type { TrainOptions } from "../../options.ts";
import type { DataHost } from "../method.ts";
import { type ComparedSample, Comparisons } from "./comparisons.ts";
import { type PromptRow, readJudged, readPairs, recordOf } from "./rows.ts";

/** The tokens of a prompt and a completion. */
interface Sequence extends Sample {
  /** The first position that predicts the completion. */
  readonly start: number;
}

/** Two sequences that are scored together. */
interface SequencePair {
  readonly sequences: readonly [Sequence, Sequence];
  readonly label?: boolean;
}

/**
 * Reads pairs of a chosen and a rejected completion; `labels` selects the chosen completion's labels. @throws UserError
 * with file and line
 */
export const pairData = (labels: LabelRule, host: DataHost, files: DataFiles): RunData =>
  preferenceData(host, files, readPairs, (rows) =>
    rows.map((row) => ({
      sequences: [sequenceOf(row, row.chosen, host, labels), sequenceOf(row, row.rejected, host)],
    })),
  );

/** Reads rated completions; adds the previous row's completion to each prompt. @throws UserError with file and line */
export const judgedData = (host: DataHost, files: DataFiles): RunData =>
  preferenceData(host, files, readJudged, (rows) =>
    rows.map((row, i) => {
      const mismatched = cutTo(host.options.tokens, sequenceOf(row, rows.at(i - 1)!.completion, host));
      return { sequences: [sequenceOf(row, row.completion, host), mismatched], label: row.label };
    }),
  );

function sequenceOf(
  row: PromptRow,
  completion: Parameters<typeof recordOf>[1],
  { options, tokenizer }: DataHost,
  rule: LabelRule = "answers",
): Sequence {
  const longest = options.excessLengthStrategy === "raise" ? options.tokens : undefined;
  const sampleOf = (labels: LabelRule) => samplesOf([recordOf(row, completion)], tokenizer, labels, {}, longest)[0]!;
  const answers = sampleOf("answers");
  const { ids, labels } = rule === "answers" ? answers : sampleOf(rule);
  return { ids, labels, start: answers.labels.findIndex((label) => label >= 0) };
}

const cutTo = (tokens: number, { ids, labels, start }: Sequence): Sequence => ({
  ...{ ids: ids.subarray(0, tokens), labels: labels.subarray(0, tokens), start },
});

function preferenceData<R extends PromptRow>(
  { options, tokenizer }: DataHost,
  { files, validation }: DataFiles,
  readRows: (sources: DataFiles["files"]) => R[],
  read: (rows: readonly R[]) => SequencePair[],
): RunData {
  const { batch, tokens, seed, packing, labels } = options;
  if (packing) throw new UserError("packing: a row holds one completion; omit packing", 2);
  if (labels === "all") throw new UserError("labels: preference methods always train on completions; omit labels", 2);
  refuseWeights(files, "preferences cannot be mixed by weight");
  const all = readRows(files);
  const others = typeof validation === "number" ? [] : validation;
  const split = typeof validation === "number" ? sharedOut(all, validation) : ([all, readRows(others)] as const);
  const [training, heldOut] = [fittingOf(read(split[0]), options), fittingOf(read(split[1]), options)];
  if (training.pairs.length === 0)
    throw new UserError(`${files[0]!.file}: no sample with a completion fits into a row of ${tokens} tokens`);
  const first = 2 * training.pairs.length;
  const of = new Comparisons(first + 2 * heldOut.pairs.length);
  const form = { batch, tokens, of };
  return {
    training: inPairs(training, { ...form, seed, first: 0 }),
    heldOut: heldOut.pairs.length > 0 ? inPairs(heldOut, { ...form, first }) : undefined,
    hash: hashOf([...files, ...others].map(({ text }) => text)),
    prompts: promptsOf(
      all.map((row) => (typeof row.prompt === "string" ? "raw" : "chat")),
      tokenizer,
    ),
    comparisons: of,
  };
}

interface Fitting {
  readonly pairs: readonly SequencePair[];
  readonly dropped: DropCounts;
}

/** The samples whose completions both fit into a row, after cutting if the options allow it. */
function fittingOf(
  all: readonly SequencePair[],
  { tokens, excessLengthStrategy }: Pick<TrainOptions, "tokens" | "excessLengthStrategy">,
): Fitting {
  const truncate = excessLengthStrategy === "truncate";
  const most = truncate ? tokens : Number.POSITIVE_INFINITY;
  const labelled = all.filter(({ sequences }) => sequences.every(({ start }) => start >= 0 && start < most));
  const fitting = labelled.filter(({ sequences }) => sequences.every(({ ids }) => ids.length <= tokens));
  const [long, unlabelled] = [labelled.length - fitting.length, all.length - labelled.length];
  if (!truncate) return { pairs: fitting, dropped: { long, unlabelled } };
  const cut = ({ sequences: [a, b], ...sample }: SequencePair): SequencePair => ({
    ...{ ...sample, sequences: [cutTo(tokens, a), cutTo(tokens, b)] },
  });
  return { pairs: labelled.map(cut), dropped: { long: 0, unlabelled, truncated: long } };
}

interface PairBatching {
  /** Samples per batch. */
  readonly batch: number;
  readonly tokens: number;
  readonly seed?: number;
  readonly of: Comparisons;
  /** The index of these samples' first sequence among the run's sequences. */
  readonly first: number;
}

/** Puts each sample into two adjacent rows of a batch, every sample once per epoch. */
function inPairs({ pairs, dropped }: Fitting, { batch: size, tokens, seed, of, first }: PairBatching): TrainingData {
  const [rows, batches] = [2 * size, Math.ceil(pairs.length / size)];
  const order = epochOrder(pairs.length, seed);
  return {
    ...{ rows, tokens, batches, samples: pairs.length, dropped },
    batch(index): Batch {
      const from = (index % batches) * size;
      const places = [...order(Math.floor(index / batches)).subarray(from, from + size)];
      const sequences = places.flatMap((place) => pairs[place]!.sequences);
      const samples = places.map((place): ComparedSample => {
        const { sequences, label } = pairs[place]!;
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
