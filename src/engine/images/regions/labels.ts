import type { Spent } from "../../../graph/index.ts";
import type { ImageTextModel } from "../../encoders/image-text/image-text-model.ts";

/** Sentences about a label, which replaces `{}`. */
const TEMPLATES = ["{}", "a {}", "a picture of a {}"];

export interface LabelVectors {
  /** [labels, width] */
  readonly values: Float32Array;
  readonly cost: Spent;
  /** The number of tokens read. */
  readonly tokens: number;
}

/** The labels' unit vectors, [labels, width]: each is the normalised mean of the vectors of its sentences. */
export async function labelVectors(
  model: ImageTextModel,
  labels: readonly string[],
  templates: readonly string[] = TEMPLATES,
): Promise<LabelVectors> {
  const { width } = model.model;
  const sentences = labels.flatMap((label) => templates.map((template) => template.replace("{}", label)));
  const { answers, usage } = await model.embed(sentences);
  const values = new Float32Array(labels.length * width);
  for (const row of labels.keys())
    values.set(meanDirection(answers.slice(row * templates.length, (row + 1) * templates.length)), row * width);
  return { values, cost: { flops: usage.flops.spent, bytes: usage.bytes.spent }, tokens: usage.tokens.prompt };
}

/** The mean of vectors, scaled to length 1. */
function meanDirection(vectors: readonly Float32Array[]): Float32Array {
  const sum = vectors[0]!.map((_, i) => vectors.reduce((total, vector) => total + vector[i]!, 0));
  const length = Math.hypot(...sum);
  return sum.map((value) => value / Math.max(length, 1e-12));
}
