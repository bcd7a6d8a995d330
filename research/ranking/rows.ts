import { join } from "node:path";
import { root } from "../../tools/section.ts";
import { jsonRows } from "../first/json-rows.ts";
import type { CollectionName } from "./collections.ts";

/** A query under an arm: `ARM`, or `EARLIER>ARM` for the documents of an earlier arm in another order. */
export interface Row {
  readonly arm: string;
  readonly query: string;
  /** Documents, best first. */
  readonly order: readonly string[];
  /** nDCG@10. */
  readonly ndcg: number;
  /** Of this arm alone, by its receipt. */
  readonly gflops: number;
}

export const HYBRID = "minilm+bm25";
const behind = (names: readonly string[]): string[] => names.map((name) => `${HYBRID}>${name}`);

/** All arms, each behind those whose order it reads. */
export const ARMS: readonly string[] = [
  ...["bm25", "minilm", HYBRID, "bge-small", "bge-small+prompt", "bge-small+bm25"],
  ...behind(["random", "minilm", "ms-marco", "colbert-small", "qwen"]),
  ...["bm25>first", `${HYBRID}>first`],
  ...behind(["ms-marco>first", "shuffled", "shuffled>first"]),
];

export const fileOf = (name: CollectionName): string => join(root, "research/ranking/results", `${name}.jsonl`);
export const rowsOf = (name: CollectionName): Row[] => jsonRows<Row>(fileOf(name));

/** The arm whose documents an arm reorders. */
export const earlierOf = (arm: string): string | undefined =>
  arm.includes(">") ? arm.slice(0, arm.lastIndexOf(">")) : undefined;
