import type { ClassifyPipeline, EvidenceInput } from "../../library/classify-pipeline.ts";
import type { LabelsInput } from "../../pipelines/qzero/labels.ts";
import type { QZeroInput } from "../../pipelines/qzero/options.ts";
import type { QZeroResult } from "../../pipelines/qzero/qzero.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import type { LabelItem } from "../item.ts";

export interface Arm {
  readonly name: string;
  readonly qzero: QZeroInput;
  /** Documents for each item, replacing search results. */
  readonly evidence?: readonly (readonly EvidenceInput[])[];
}

/** An arm's results for all items, and its cost. */
export interface ArmRun {
  readonly arm: string;
  readonly results: readonly QZeroResult[];
  readonly flops: { readonly dense: number; readonly spent: number };
  readonly ms: number;
}

/** Number of texts per call; an interrupted run loses at most one call. */
const CHUNK = 32;

interface ArmTerms {
  readonly labels: LabelsInput;
  readonly signal?: AbortSignal | undefined;
  readonly onItems: (done: number) => void;
}

/** Classifies items with one arm. @throws UserError */
export async function runArm(
  classifier: ClassifyPipeline,
  items: readonly LabelItem[],
  { name, qzero, evidence }: Arm,
  { labels, signal, onItems }: ArmTerms,
): Promise<ArmRun> {
  const results: QZeroResult[] = [];
  const flops = { dense: 0, spent: 0 };
  const started = performance.now();
  for (let at = 0; at < items.length; at += CHUNK) {
    const texts = items.slice(at, at + CHUNK).map(({ text }) => text);
    const chunk = evidence?.slice(at, at + CHUNK);
    const terms = { explain: true, qzero, ...(chunk && { evidence: chunk }), ...(signal && { signal }) };
    const { results: some, receipt } = await classifier.classify(texts, labels, terms);
    results.push(...some);
    flops.dense += receipt.flops.dense;
    flops.spent += receipt.flops.spent;
    onItems(results.length);
  }
  return { arm: name, results, flops, ms: performance.now() - started };
}

/** Moves each item's documents to a different item. */
export function atOtherPlaces<T>(all: readonly T[], seed: number): T[] {
  const order = shuffle([...all.keys()], seededRandom(seed));
  const moved = Array<T>(all.length);
  for (const [k, place] of order.entries()) moved[place] = all[order[(k + 1) % order.length]!]!;
  return moved;
}
