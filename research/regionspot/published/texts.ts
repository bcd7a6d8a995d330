import { load } from "../../../src/index.ts";

/** Vectors of names, of length 1, [names, width], by a model of texts. */
export async function nameVectors(model: string, names: readonly string[]): Promise<Float32Array> {
  using reader = await load(model);
  const { embeddings } = await reader.embed(names.map((name) => `a ${name}`));
  return Float32Array.from(embeddings.flatMap((vector) => [...vector]));
}

/** The vectors of some of the names, in their order. */
export function vectorsOf(some: readonly string[], names: readonly string[], vectors: Float32Array): Float32Array {
  const width = vectors.length / names.length;
  const rows = some.map((name) => vectors.subarray(names.indexOf(name) * width, (names.indexOf(name) + 1) * width));
  return Float32Array.from(rows.flatMap((row) => [...row]));
}
