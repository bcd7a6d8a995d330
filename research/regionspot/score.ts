import { logitsOf } from "../../src/pipelines/recognize/recognize.ts";
import type { Vectors } from "./arms.ts";

/** The share of regions that get their own label, of those with a label of a set. */
export interface Accuracy {
  readonly regions: number;
  /** Among the labels of the set. */
  readonly among: number;
  /** Among all labels. */
  readonly amongAll: number;
}

/** Labels, and a vector for each. */
export interface Texts {
  readonly labels: readonly string[];
  readonly values: Float32Array;
}

/** Accuracy over the regions whose label is in `set`. */
export function accuracyOf(
  vectors: Vectors,
  labels: readonly string[],
  texts: Texts,
  set: readonly string[],
): Accuracy {
  const members = new Set(set);
  let [regions, among, amongAll] = [0, 0, 0];
  for (const [i, label] of labels.entries()) {
    const vector = vectors[i];
    if (!members.has(label) || !vector) continue;
    const logits = logitsOf(vector, texts.values, 1);
    const best = (allowed: (label: string) => boolean) =>
      texts.labels.reduce((top, one, at) => (allowed(one) && logits[at]! > (logits[top] ?? -2) ? at : top), -1);
    regions++;
    among += texts.labels[best((one) => members.has(one))] === label ? 1 : 0;
    amongAll += texts.labels[best(() => true)] === label ? 1 : 0;
  }
  return { regions, among: among / regions, amongAll: amongAll / regions };
}
