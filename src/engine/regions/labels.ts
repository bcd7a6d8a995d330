import type { ImageTextModel } from "../image-text/image-text-model.ts";

/** Sentences about a label, `{}` standing for it. */
export const TEMPLATES = ["{}", "a {}", "a picture of a {}"];

/** Vectors of labels, each of length 1, [labels, width]: the mean of those of its sentences, scaled. */
export async function labelVectors(
  model: ImageTextModel,
  labels: readonly string[],
  templates: readonly string[] = TEMPLATES,
): Promise<{ readonly values: Float32Array; readonly flops: number }> {
  const { width } = model.model;
  const sentences = labels.flatMap((label) => templates.map((template) => template.replace("{}", label)));
  const { answers, usage } = await model.embed(sentences);
  const values = new Float32Array(labels.length * width);
  for (const row of labels.keys())
    values.set(meanDirection(answers.slice(row * templates.length, (row + 1) * templates.length)), row * width);
  return { values, flops: usage.flops.spent };
}

/** The mean of vectors, scaled to length 1. */
export function meanDirection(vectors: readonly Float32Array[]): Float32Array {
  const sum = vectors[0]!.map((_, i) => vectors.reduce((total, vector) => total + vector[i]!, 0));
  const length = Math.hypot(...sum);
  return sum.map((value) => value / Math.max(length, 1e-12));
}
