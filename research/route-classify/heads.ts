import type { Embedder } from "../../src/pipelines/classify/embedder.ts";
import { fitHead } from "../../src/pipelines/classify/fit-head.ts";
import { HeadModel, type LabelHead } from "../../src/pipelines/classify/head.ts";
import type { DataSet, Split } from "./data.ts";

/** All rows' vectors by one embedder, and how long a row took, in milliseconds. */
export interface Embedded {
  readonly embedder: Embedder;
  readonly vectors: readonly Float32Array[];
}

export async function embedded(embedder: Embedder, { rows }: DataSet): Promise<Embedded> {
  const { answers } = await embedder.embed(rows.map(({ text }) => text));
  return { embedder, vectors: answers };
}

/** A head for a split: trained on its training rows, with the L2 that does best on its calibration rows. */
export function headFor({ embedder, vectors }: Embedded, set: DataSet, split: Split, seed: number): HeadModel {
  const part = (places: readonly number[]) => ({
    rows: places.map((i) => vectors[i]!),
    labels: places.map((i) => set.rows[i]!.label),
  });
  const { linear, l2 } = fitHead(part(split.train), part(split.calibration));
  const data = { name: set.name, sha256: set.sha256, rows: split.train.length };
  const head: LabelHead = { model: embedder.identity, labels: set.labels, linear, training: { data, seed, l2 } };
  return new HeadModel(embedder, head);
}
