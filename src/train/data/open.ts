import { inFile, UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import type { AdapterRecord } from "../../weights/adapter/record.ts";
import { type PromptForm, type Tokenizer, templateHash } from "../../weights/tokenizer/index.ts";
import type { TextHeadSettings } from "../heads/settings.ts";
import type { Dropped, TrainingData } from "./batch.ts";
import { classesOf } from "./classes.ts";
import { hashOf, isJsonLines, readText } from "./files.ts";
import { permutation } from "./order.ts";
import { sampleData } from "./pack.ts";
import { pairsOf } from "./pairs.ts";
import { headFor, type TextReading } from "./reading.ts";
import { formOfRecord, type PlacedRecord, readRecords } from "./records.ts";
import { type LabelRule, type SampleReaders, samplesOf } from "./samples.ts";
import { splitText, textData } from "./text.ts";
import { type TextSamples, textBatches } from "./text-rows.ts";

/** The data that a run trains on. */
export interface DataOptions {
  /** Text files, or JSON lines (`.jsonl`). */
  readonly files: readonly string[];
  /** The share of the data to hold out, or other files. */
  readonly validation: number | readonly string[];
  /** Positions per row. */
  readonly tokens: number;
  /** Rows per batch. */
  readonly rows: number;
  /** True for several samples per row, without attention between them. */
  readonly packing: boolean;
  readonly labels: LabelRule;
  /** How the encoder reads texts; undefined for language models. */
  readonly reading?: TextReading | undefined;
  /** The method's own readers of samples, for language models. */
  readonly readers?: SampleReaders | undefined;
}

/** The data of a run. */
export interface RunData {
  readonly training: TrainingData;
  /** Always in the same order; undefined if nothing is held out. */
  readonly heldOut: TrainingData | undefined;
  /** SHA-256 of the files' contents. */
  readonly hash: string;
  /** FLOPs that an encoder spent on the data's images; absent: none. */
  readonly encoded?: number;
  /** The head over whole texts; absent for language models. */
  readonly head?: TextHeadSettings;
  /** The form of its prompts; mixed: some are raw, some are chats. Absent if an encoder or a method reads them in its own way. */
  readonly prompts?: AdapterRecord | "mixed" | undefined;
}

/** Reads and encodes a run's files. `seed` determines the order of training. @throws UserError with file and line */
export function openData(options: DataOptions, tokenizer: Tokenizer, seed: number): RunData {
  const { files, validation } = options;
  const texts = new Map(files.map((file) => [file, readText(file)]));
  const apart = typeof validation === "number" ? [] : validation;
  const others = new Map(apart.map((file) => [file, readText(file)]));
  const share = typeof validation === "number" ? validation : 0;
  const data = dataOf(texts, share, options, tokenizer, seed);
  const heldOut = others.size === 0 ? data.heldOut : dataOf(others, 0, alike(options, data), tokenizer).training;
  return { ...data, heldOut, hash: hashOf([...texts.values(), ...others.values()]) };
}

/** The options for more data of the same head. */
function alike(options: DataOptions, { head }: Split): DataOptions {
  const { reading } = options;
  if (!reading || !head) return options;
  return {
    ...options,
    reading: { ...reading, head: head.kind, ...(head.kind === "classes" && { labels: head.labels }) },
  };
}

/** The form of the data's prompts, if all have one. */
export const recordOf = ({ prompts }: RunData): AdapterRecord | undefined =>
  prompts === "mixed" ? undefined : prompts;

/** A message about data whose form is not recorded; undefined if it is. */
export const mixedSentence = ({ prompts }: RunData): string | undefined =>
  prompts === "mixed"
    ? "the data hold plain texts and chats: no prompt form is recorded, and run uses the chat template unless --raw is given"
    : undefined;

/** A message about dropped samples; undefined if none are. */
export function droppedSentence({ training, heldOut }: RunData, tokens: number): string | undefined {
  const count = (kind: keyof Dropped) => training.dropped[kind] + (heldOut?.dropped[kind] ?? 0);
  const [long, unlabelled] = [count("long"), count("unlabelled")];
  const parts = [
    ...(long > 0 ? [`${long} longer than ${tokens} tokens`] : []),
    ...(unlabelled > 0 ? [`${unlabelled} without a token to predict`] : []),
  ];
  return parts.length > 0 ? `dropped samples: ${parts.join(", ")}` : undefined;
}

type Texts = ReadonlyMap<string, string>;
type Split = Pick<RunData, "training" | "heldOut" | "head" | "prompts">;

function dataOf(texts: Texts, share: number, options: DataOptions, tokenizer: Tokenizer, seed?: number): Split {
  const files = [...texts.keys()];
  const lines = files.filter(isJsonLines);
  if (lines.length === 0) return ofText(texts, share, options, tokenizer, seed);
  if (lines.length === files.length && options.reading) return ofReading(texts, share, options, options.reading, seed);
  if (lines.length === files.length) return ofSamples(texts, share, options, tokenizer, seed);
  const text = files.find((file) => !isJsonLines(file));
  throw new UserError(`files are text or JSON lines, got both: ${text} and ${lines[0]}`);
}

function ofText(texts: Texts, share: number, options: DataOptions, tokenizer: Tokenizer, seed?: number): Split {
  const { rows, tokens, reading, readers } = options;
  if (readers?.arrange)
    throw new UserError(`${[...texts.keys()][0]}: the method is trained on JSON lines (.jsonl), got text`);
  if (reading) throw new UserError(`${[...texts.keys()][0]}: an encoder is trained on JSON lines (.jsonl), got text`);
  const [training, heldOut] = splitText(encoded(texts, tokenizer), share);
  const held = `the held-out share of ${share}`;
  return {
    prompts: promptsOf(["raw"], tokenizer),
    training: withFiles(texts, "", () => textData(training, { rows, tokens, seed })),
    heldOut: heldOut.length > 0 ? withFiles(texts, held, () => textData(heldOut, { rows, tokens })) : undefined,
  };
}

/** Prefixes errors that `make` throws with the files and their faulty part. */
function withFiles<T>(texts: Texts, what: string, make: () => T): T {
  const [first, ...more] = texts.keys();
  const files = more.length > 0 ? `${first} and ${more.length} more` : first!;
  return inFile(what === "" ? files : `${files}: ${what}`, make);
}

/** Joins all texts. A token that ends texts, if any, separates them. */
function encoded(texts: Texts, tokenizer: Tokenizer): Int32Array {
  const end = tokenizer.eos === undefined ? [] : [tokenizer.eos];
  const all = [...texts.values()].flatMap((text, i) => [
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

function ofSamples(texts: Texts, share: number, options: DataOptions, tokenizer: Tokenizer, seed?: number): Split {
  const records = [...texts].flatMap(([file, contents]) => readRecords(file, contents));
  const [training, heldOut] = sharedOut(samplesOf(records, tokenizer, options.labels, options.readers), share);
  const { rows, tokens, packing } = options;
  const arranged = { rows, tokens, packing };
  const held = `the held-out share of ${share}`;
  return {
    prompts: promptsOf(
      records.map(({ record }) => formOfRecord(record)),
      tokenizer,
    ),
    training: withFiles(texts, "", () => sampleData(training, { ...arranged, seed })),
    heldOut: heldOut.length > 0 ? withFiles(texts, held, () => sampleData(heldOut, arranged)) : undefined,
  };
}

function promptsOf(all: readonly (PromptForm | undefined)[], tokenizer: Tokenizer): RunData["prompts"] {
  const [prompt, ...others] = new Set(all);
  if (prompt === undefined || others.includes(undefined)) return undefined;
  const template = templateHash(tokenizer);
  return others.length > 0 ? "mixed" : { prompt, ...(template !== undefined && { template }) };
}

function ofReading(texts: Texts, share: number, options: DataOptions, reading: TextReading, seed?: number): Split {
  const records = [...texts].flatMap(([file, contents]) => readRecords(file, contents));
  const { head, samples, batch } = withFiles(texts, "", () => readTexts(records, reading, options.tokens));
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
