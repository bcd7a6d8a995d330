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
  /** The cost of this arm alone, by its receipt. */
  readonly gflops: number;
}

export const HYBRID = "minilm+bm25";
const behind = (names: readonly string[]): string[] => names.map((name) => `${HYBRID}>${name}`);

/** All arms, each after the arms whose order it reads. */
export const ARMS: readonly string[] = [
  ...["bm25", "minilm", HYBRID, "bge-small", "bge-small+prompt", "bge-small+bm25"],
  ...behind(["random", "minilm", "ms-marco", "colbert-small", "qwen", "random>qwen"]),
  ...["bm25>first", "bge-small>first", `${HYBRID}>first`],
  ...behind(["ms-marco>first", "colbert-small>first", "shuffled", "shuffled>first"]),
];

export const fileOf = (name: CollectionName): string => join(root, "research/ranking/results", `${name}.jsonl`);
export const rowsOf = (name: CollectionName): Row[] => jsonRows<Row>(fileOf(name));

/** Milliseconds that an arm takes of a query of Cranfield, without those of the arms before. */
export interface Timing {
  readonly arm: string;
  readonly threads: number;
  readonly ms: readonly number[];
}

export const TIMINGS = join(root, "research/ranking/results/ms.jsonl");
export const timings = (): Timing[] => jsonRows<Timing>(TIMINGS);

/** The arm whose documents an arm reorders. */
export const earlierOf = (arm: string): string | undefined =>
  arm.includes(">") ? arm.slice(0, arm.lastIndexOf(">")) : undefined;

/** An arm and those whose order it reads. */
export function chainOf(arm: string): string[] {
  const earlier = earlierOf(arm);
  return earlier === undefined ? [arm] : [...chainOf(earlier), arm];
}
