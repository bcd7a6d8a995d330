import { join } from "node:path";
import type { ComparedQuestion } from "../../src/lab/lookup/policies.ts";
import { root } from "../../tools/section.ts";
import { jsonRows } from "../first/json-rows.ts";

/** Two encoders' scores of the passages that were found for a question. */
export interface EvidenceRow {
  readonly set: string;
  readonly id: string;
  readonly titles: readonly string[];
  readonly "bge-small": Scored;
  readonly "ms-marco": Scored;
}

interface Scored {
  /** One for each passage. */
  readonly scores: readonly number[];
  readonly gflops: number;
}

const FOLDER = join(root, "research/expertrag/real");
export const EVIDENCE = join(FOLDER, "evidence.jsonl");

/** The questions that Qwen2.5-Coder 0.5B answered both ways. */
export const answeredRows = (): ComparedQuestion[] => jsonRows(join(FOLDER, "rows/qwen2.5-coder.jsonl"));

export const keyOf = ({ set, id }: Pick<ComparedQuestion, "set" | "id">): string => `${set} ${id}`;
