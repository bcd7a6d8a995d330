/** The table of docs/retrieval.md from research/retrieval/results: `npx tsx research/retrieval/page.ts` writes it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../tools/section.ts";

export const PAGE = "docs/retrieval.md";
export const SECTION = "retrieval-results";
export const RESULT = "research/retrieval/results/cranfield.json";

type Interval = readonly [number, number];
interface Measure {
  readonly quality: number;
  readonly ci95: Interval;
  /** Against the first arm, paired. */
  readonly delta: { readonly mean: number; readonly ci95: Interval };
}

/** One ranker: with the documents that queries were taken from, and without them. */
export interface Arm {
  readonly by: "bm25" | "dense" | "hybrid" | "random";
  readonly words: number;
  readonly kept: Measure;
  readonly dropped: Measure;
}

export function retrievalTable(): string {
  const { arms } = JSON.parse(readFileSync(join(root, RESULT), "utf8")) as { arms: Arm[] };
  const head = ["ranker", "chunks", "nDCG@10", "without source abstracts", "difference from the first"];
  return markdownTable(head, arms.map(row));
}

const row = ({ by, words, kept, dropped }: Arm, index: number): string[] => [
  `\`${by}\``,
  by === "random" ? "" : words > 1000 ? "whole documents" : `${words} words`,
  quality(kept),
  quality(dropped),
  index === 0 ? "" : `${signed(dropped.delta.mean)} [${dropped.delta.ci95.map(signed).join(", ")}]`,
];

const three = (value: number) => value.toFixed(3);
const quality = ({ quality, ci95 }: Measure) => `${three(quality)} [${ci95.map(three).join(", ")}]`;
const signed = (value: number) => `${value < 0 ? "−" : "+"}${three(Math.abs(value))}`;

export const writeTable = (): void => writeSection(PAGE, SECTION, retrievalTable());

if (process.argv[1] === import.meta.filename) writeTable();
