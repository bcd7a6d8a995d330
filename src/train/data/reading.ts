import { UserError } from "../../util/errors.ts";
import type { TextHeadKind } from "../heads/settings.ts";
import type { DataRecord, PlacedRecord } from "./records.ts";

/** The way an encoder reads texts. */
export interface TextReading {
  /** The head to train; if undefined, the first record determines it. */
  readonly head: TextHeadKind | undefined;
  /** The labels of the model's classifier. */
  readonly labels: readonly string[];
  /** A text's token ids as the trained model will read them, at most `limit`. @throws UserError if the text has none */
  read(text: string, head: TextHeadKind, limit: number): Int32Array;
}

/** The head that fits the data's first record. @throws UserError if neither head fits */
export function headFor(records: readonly PlacedRecord[]): TextHeadKind {
  const [first] = records;
  if (!first) throw new UserError("there are no samples");
  switch (first.record.kind) {
    case "labelled":
      return "classes";
    case "ranked":
      return "embedding";
    case "text":
    case "completion":
    case "chat":
    case "list":
    case "seen":
      throw new UserError(`${first.where}: ${EXPECTED.classes}, or ${EXPECTED.embedding}, got ${got(first.record)}`);
  }
}

const EXPECTED = {
  classes: 'expected "text" and "label" to train a classifier',
  embedding: '"query" and "positive" to train embeddings',
} as const;

/** A record's field names, for messages. */
export const got = (record: DataRecord): string =>
  ({
    text: '"text" alone',
    completion: '"prompt" and "completion"',
    chat: '"messages"',
    labelled: '"text" and "label"',
    ranked: '"query" and "positive"',
    list: '"query", "documents" and "ranking"',
    seen: '"image", "prompt" and "answer"',
  })[record.kind];
