import { inFile, UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import type { AdapterRecord } from "../../weights/adapter/record.ts";
import { type PromptForm, type Tokenizer, templateHash } from "../../weights/tokenizer/index.ts";
import type { TextHeadSettings } from "../heads/settings.ts";
import type { Comparisons } from "../methods/preferences/comparisons.ts";
import type { TrainOptions } from "../options.ts";
import type { DropCounts, TrainingData } from "./batch.ts";
import { classesOf } from "./classes.ts";
import { hashOf } from "./files.ts";
import { permutation } from "./order.ts";
import { sampleData } from "./pack.ts";
import { pairsOf } from "./pairs.ts";
import { headFor, type TextReading } from "./reading.ts";
import { formOfRecord, type PlacedRecord, recordsIn } from "./records.ts";
import { type LabelRule, type SampleReaders, samplesOf } from "./samples.ts";
import { type DataFile, type DataSource, sourceOf } from "./source.ts";
import { splitText, textData } from "./text.ts";
import { type TextSamples, textBatches } from "./text-rows.ts";

export interface DataOptions {
  /** Texts, or tables. */
  readonly files: readonly DataFile[];
  /** The share of the data to hold out, or separate held-out files. */
  readonly validation: number | readonly DataFile[];
  /** Positions per row. */
  readonly tokens: number;
  /** Rows per batch. */
  readonly rows: number;
  /** True for several samples per row, without attention between them. */
  readonly packing: boolean;
  readonly labels: LabelRule;
  /** The treatment of samples longer than a row; by default, they are dropped. */
  readonly excessLengthStrategy?: TrainOptions["excessLengthStrategy"];
  /** The way the encoder reads texts; undefined for language models. */
  readonly reading?: TextReading | undefined;
  /** The method's own readers of samples, for language models. */
  readonly readers?: SampleReaders | undefined;
}

/** A run's files, and the share of their samples to hold out or separate held-out files. */
export interface DataFiles {
  readonly files: readonly DataSource[];
  readonly validation: number | readonly DataSource[];
}

export interface RunData {
  readonly training: TrainingData;
  /** The held-out data, always in the same order; undefined if nothing is held out. */
  readonly heldOut: TrainingData | undefined;
  /** SHA-256 of the files' contents. */
  readonly hash: string;
  /** Present if a method compares completions. */
  readonly comparisons?: Comparisons;
  /** FLOPs that an encoder spent on the data's images; default: 0. */
  readonly encoded?: number;
  /** The head over whole texts; absent for language models. */
  readonly head?: TextHeadSettings;
  /**
   * The data's prompt format; `mixed` if some prompts are raw and some are chats. Absent if an encoder or a method
   * reads prompts in its own way.
   */
  readonly prompts?: AdapterRecord | "mixed" | undefined;
}

/** Reads and encodes a run's files. `seed` determines the order of training. @throws UserError with file and line */
export function openData(options: DataOptions, tokenizer: Tokenizer, seed: number): RunData {
  const { files, validation } = options;
  const sources = files.map(sourceOf);
  const others = typeof validation === "number" ? [] : validation.map(sourceOf);
  const share = typeof validation === "number" ? validation : 0;
  const data = dataOf(sources, share, options, tokenizer, seed);
  const heldOut = others.length === 0 ? data.heldOut : dataOf(others, 0, alike(options, data), tokenizer).training;
  return { ...data, heldOut, hash: hashOf([...sources, ...others].map(({ text }) => text)) };
}

/** The options for reading held-out files with the same head. */
function alike(options: DataOptions, { head }: Split): DataOptions {
  const { reading } = options;
  if (!reading || !head) return options;
  return {
    ...options,
    reading: { ...reading, head: head.kind, ...(head.kind === "classes" && { labels: head.labels }) },
  };
}

/** The data's prompt format, if all samples have the same format. */
export const recordOf = ({ prompts }: RunData): AdapterRecord | undefined =>
  prompts === "mixed" ? undefined : prompts;

/** A warning that no prompt format is recorded, if the data's prompts are mixed. */
export const mixedSentence = ({ prompts }: RunData): string | undefined =>
  prompts === "mixed"
    ? "the data contain both plain texts and chats: no prompt form is recorded, and `modicum run` uses the chat template without --raw"
    : undefined;

/** A message about dropped and cut samples, if any. */
export function droppedSentence({ training, heldOut }: RunData, tokens: number): string | undefined {
  const count = (kind: keyof DropCounts) => (training.dropped[kind] ?? 0) + (heldOut?.dropped[kind] ?? 0);
  const [long, unlabelled, truncated] = [count("long"), count("unlabelled"), count("truncated")];
  const parts = [
    ...(long > 0 ? [`${long} longer than ${tokens} tokens`] : []),
    ...(unlabelled > 0 ? [`${unlabelled} without a token to predict`] : []),
  ];
  const sentences = [
    ...(parts.length > 0 ? [`dropped samples: ${parts.join(", ")}`] : []),
    ...(truncated > 0 ? [`cut samples: ${truncated} longer than ${tokens} tokens`] : []),
  ];
  return sentences.length > 0 ? sentences.join("; ") : undefined;
}

type Sources = readonly DataSource[];
type Split = Pick<RunData, "training" | "heldOut" | "head" | "prompts">;

function dataOf(sources: Sources, share: number, options: DataOptions, tokenizer: Tokenizer, seed?: number): Split {
  const [text, table] = [sources.find(({ rows }) => !rows), sources.find(({ rows }) => rows)];
  if (text && table) throw new UserError(`expected text or JSON lines, got both: ${text.file} and ${table.file}`);
  if (text) return ofText(sources, share, options, tokenizer, seed);
  if (options.reading) return ofReading(sources, share, options, options.reading, seed);
  return ofSamples(sources, share, options, tokenizer, seed);
}

function ofText(sources: Sources, share: number, options: DataOptions, tokenizer: Tokenizer, seed?: number): Split {
  const { rows, tokens, reading, readers, packing } = options;
  refuseWeights(sources, "texts are read one after another");
  if (packing)
    throw new UserError(`${sources[0]!.file}: packing is for samples (.jsonl); rows of text are always full`);
  if (readers?.arrange) throw new UserError(`${sources[0]!.file}: this method trains on JSON lines (.jsonl), got text`);
  if (reading) throw new UserError(`${sources[0]!.file}: an encoder trains on JSON lines (.jsonl), got text`);
  const [training, heldOut] = splitText(encoded(sources, tokenizer), share);
  const held = `the held-out share of ${share}`;
  return {
    prompts: promptsOf(["raw"], tokenizer),
    training: withFiles(sources, "", () => textData(training, { rows, tokens, seed })),
    heldOut: heldOut.length > 0 ? withFiles(sources, held, () => textData(heldOut, { rows, tokens })) : undefined,
  };
}

/** Names the files and the part at fault at the start of errors that `make` throws. */
function withFiles<T>(sources: Sources, what: string, make: () => T): T {
  const [first, ...more] = sources;
  const files = more.length > 0 ? `${first!.file} and ${more.length} more` : first!.file;
  return inFile(what === "" ? files : `${files}: ${what}`, make);
}

/** Joins all texts, separated by the tokenizer's end token, if any. */
function encoded(sources: Sources, tokenizer: Tokenizer): Int32Array {
  const end = tokenizer.eos === undefined ? [] : [tokenizer.eos];
  const all = sources.flatMap(({ text }, i) => [
    Int32Array.from(i === 0 ? [] : end),
    Int32Array.from(tokenizer.encode(text)),
  ]);
  const stream = new Int32Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const ids of all) {
    stream.set(ids, at);
    at += ids.length;
  }
  return stream;
}

function ofSamples(sources: Sources, share: number, options: DataOptions, tokenizer: Tokenizer, seed?: number): Split {
  const { rows, tokens, packing, labels, readers, excessLengthStrategy } = options;
  const records = sources.map(recordsIn);
  const longest = excessLengthStrategy === "raise" ? tokens : undefined;
  const samples = records.flatMap((own, source) =>
    samplesOf(own, tokenizer, labels, readers, longest).map((sample) => ({ ...sample, source })),
  );
  const [training, heldOut] = sharedOut(samples, share);
  const arranged = { rows, tokens, packing, truncate: excessLengthStrategy === "truncate" };
  const held = `the held-out share of ${share}`;
  return {
    prompts: promptsOf(
      records.flat().map(({ record }) => formOfRecord(record)),
      tokenizer,
    ),
    training: withFiles(sources, "", () => sampleData(training, { ...arranged, seed, weights: weightsOf(sources) })),
    heldOut: heldOut.length > 0 ? withFiles(sources, held, () => sampleData(heldOut, arranged)) : undefined,
  };
}

/** Each file's weight (1 by default); undefined if no file has one. */
const weightsOf = (sources: Sources): number[] | undefined =>
  sources.some(({ weight }) => weight !== undefined) ? sources.map(({ weight = 1 }) => weight) : undefined;

/** Rejects weights for data that are not sampled by weight. @throws UserError if a file has a weight */
export function refuseWeights(sources: Sources, why: string): void {
  const other = sources.find(({ weight }) => weight !== undefined);
  if (other) throw new UserError(`${other.file}=${other.weight}: ${why}; omit the weight`, 2);
}

export function promptsOf(all: readonly (PromptForm | undefined)[], tokenizer: Tokenizer): RunData["prompts"] {
  const [prompt, ...others] = new Set(all);
  if (prompt === undefined || others.includes(undefined)) return undefined;
  const template = templateHash(tokenizer);
  return others.length > 0 ? "mixed" : { prompt, ...(template !== undefined && { template }) };
}

function ofReading(sources: Sources, share: number, options: DataOptions, reading: TextReading, seed?: number): Split {
  refuseWeights(sources, "an encoder's samples cannot be mixed by weight");
  const records = sources.flatMap(recordsIn);
  const { head, samples, batch } = withFiles(sources, "", () => readTexts(records, reading, options.tokens));
  const [training, heldOut] = sharedOut(samples, share);
  const size = options.rows;
  return {
    head,
    training: textBatches(training, { size, batch, seed }),
    heldOut: heldOut.length > 0 ? textBatches(heldOut, { size, batch }) : undefined,
  };
}

function readTexts(records: readonly PlacedRecord[], reading: TextReading, limit: number): TextSamples {
  const head = reading.head ?? headFor(records);
  switch (head) {
    case "classes":
      return classesOf(records, reading, limit);
    case "embedding":
      return pairsOf(records, reading, limit);
  }
}

/** Splits samples into training data and a random held-out share, which does not depend on the run's seed. */
export function sharedOut<S>(samples: readonly S[], share: number): readonly [training: S[], heldOut: S[]] {
  const count = Math.min(Math.round(samples.length * share), Math.max(0, samples.length - 1));
  const drawn = new Set(permutation(samples.length, seededRandom(0)).subarray(0, count));
  return [samples.filter((_, i) => !drawn.has(i)), samples.filter((_, i) => drawn.has(i))];
}
