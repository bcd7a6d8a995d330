import path from "node:path";
import { z } from "zod";
import { checked } from "../../util/checked.ts";
import { few, inFile, UserError } from "../../util/errors.ts";
import type { PromptForm } from "../../weights/tokenizer/index.ts";
import { type DataFile, jsonRows, sourceOf } from "./source.ts";

export const message = z.looseObject({ role: z.string(), content: z.json().default(null) }).catchall(z.json());

const size = z.int().min(1);
/** The token grids of images in the sample, with the position of each grid's first token. */
const visual = z.array(z.strictObject({ first: z.int().min(0), grid: z.tuple([size, size]) })).optional();

/** Text to continue. */
const text = z.object({ text: z.string(), visual });
/** A text and its continuation. */
const completion = z.object({ prompt: z.string(), completion: z.string(), visual });
/** A chat; `unmask` puts labels on every turn except the system's. */
const chat = z.object({
  messages: z.array(message).min(1),
  tools: z.array(z.json()).optional(),
  unmask: z.boolean().default(false),
  visual,
});
/** A text with its class. */
const labelled = z.object({ text: z.string(), label: z.union([z.string(), z.int().min(0)]) });
/** A query, a text that answers it, and texts that do not. */
const ranked = z.object({ query: z.string(), positive: z.string(), negatives: z.array(z.string()).default([]) });

/** A query, texts, and a teacher's ranking of them: their indices, the best first. */
const list = z
  .object({ query: z.string().min(1), documents: z.array(z.string()).min(2), ranking: z.array(z.int().min(0)) })
  .refine(({ documents, ranking }) => isPermutation(ranking, documents.length), {
    path: ["ranking"],
    error: "expected the index of each document exactly once, the best first",
  });

/** A question and its answer. */
const question = z.object({ prompt: z.string(), answer: z.string() });
/** One or more questions about a picture, whose path is relative to the data file. */
const seen = z.object({ image: z.string().min(1), questions: z.array(question).min(1) });
const seenOne = question.extend({ image: z.string().min(1) });

const isPermutation = (ranking: readonly number[], count: number): boolean =>
  ranking.length === count && ranking.every((index) => index < count) && new Set(ranking).size === count;

export type TextRecord = z.output<typeof text>;
export type CompletionRecord = z.output<typeof completion>;
/** Turns before `from` have no labels. */
type ChatRecord = z.output<typeof chat> & { readonly from?: number };
export type LabelledRecord = z.output<typeof labelled>;
export type RankedRecord = z.output<typeof ranked>;
export type ListRecord = z.output<typeof list>;
export type SeenRecord = z.output<typeof seen>;

/** A line of a data file; `kind` is determined by its fields. */
export type DataRecord =
  | ({ readonly kind: "text" } & TextRecord)
  | ({ readonly kind: "completion" } & CompletionRecord)
  | ({ readonly kind: "chat" } & ChatRecord)
  | ({ readonly kind: "labelled" } & LabelledRecord)
  | ({ readonly kind: "ranked" } & RankedRecord)
  | ({ readonly kind: "list" } & ListRecord)
  | ({ readonly kind: "seen" } & SeenRecord);

/** All texts of a record that a model may read. */
export function textsOf(record: DataRecord): string[] {
  switch (record.kind) {
    case "text":
    case "labelled":
      return [record.text];
    case "completion":
      return [record.prompt, record.completion];
    case "chat":
      return record.messages.flatMap(({ content }) => (typeof content === "string" ? [content] : []));
    case "ranked":
      return [record.query, record.positive, ...record.negatives];
    case "list":
      return [record.query, ...record.documents];
    case "seen":
      return record.questions.flatMap(({ prompt, answer }) => [prompt, answer]);
  }
}

/** The prompt format of a record; undefined for records that only an encoder or a method reads. */
export function formOfRecord({ kind }: DataRecord): PromptForm | undefined {
  switch (kind) {
    case "text":
    case "completion":
      return "raw";
    case "chat":
      return "chat";
    case "labelled":
    case "ranked":
    case "list":
    case "seen":
      return undefined;
  }
}

/** A record, and its location for messages. */
export interface PlacedRecord {
  /** File and line. */
  readonly where: string;
  readonly record: DataRecord;
}

/** Reads the records of a JSON Lines file; skips empty lines. @throws UserError with the line number */
export const readRecords = (file: string, contents: string): PlacedRecord[] =>
  recordsIn({ file, text: contents, rows: jsonRows(file, contents) });

/** Reads the records of a table; returns none for a text. @throws UserError with the number of the line or row */
export function recordsIn(data: DataFile): PlacedRecord[] {
  const { file, rows = [] } = sourceOf(data);
  const folder = path.dirname(file);
  return rows.map(({ where, value }) => ({ where, record: inFile(where, () => recordOf(objectIn(value), folder)) }));
}

function recordOf(value: object, folder: string): DataRecord {
  const has = (field: string) => Object.hasOwn(value, field);
  refusePreferences(value, has);
  if (has("image")) return { kind: "seen", ...inFolder(seenIn(value, has("questions")), folder) };
  if (has("messages")) return { kind: "chat", ...checked(chat, value) };
  if (has("prompt") || has("completion")) return { kind: "completion", ...checked(completion, value) };
  if (has("ranking")) return { kind: "list", ...checked(list, value) };
  if (has("query")) return { kind: "ranked", ...checked(ranked, value) };
  if (has("label")) return { kind: "labelled", ...checked(labelled, value) };
  if (has("text")) return { kind: "text", ...checked(text, value) };
  const forms =
    '"text"; "prompt" and "completion"; "messages"; "prompt", "chosen" and "rejected"; "text" and "label"; "query" and "positive"; "query", "documents" and "ranking"; or "image", "prompt" and "answer" (or "questions"), as fields or by templates in columns';
  throw new UserError(`expected ${forms}; got ${few(Object.keys(value)) || "no field"}`);
}

/** @throws UserError for rows that only preference methods read */
function refusePreferences(value: object, has: (field: string) => boolean): void {
  if (has("chosen") || has("rejected"))
    throw new UserError('"chosen" and "rejected" are preferences: give --method dpo (or orpo, simpo)');
  if (has("completion") && "label" in value && typeof value.label === "boolean")
    throw new UserError('"prompt", "completion" and "label" are rated completions: give --method kto');
}

function seenIn(value: object, several: boolean): SeenRecord {
  if (several) return checked(seen, value);
  const { image, ...one } = checked(seenOne, value);
  return { image, questions: [one] };
}

const inFolder = (record: SeenRecord, folder: string): SeenRecord => ({
  ...record,
  image: path.resolve(folder, record.image),
});

function objectIn(value: unknown): object {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new UserError("expected an object");
}
