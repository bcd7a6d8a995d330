import { type Graph, gather, type Tensor, transpose } from "../graph/index.ts";

/** Buckets of distances; all distances in a bucket share their biases (Raffel et al. 2020). */
export interface Buckets {
  /** The number of rows in the table of biases. */
  readonly buckets: number;
  /** The distance from which all keys share one bucket. */
  readonly reach: number;
  /** True if keys after the query have separate buckets: half of the total. */
  readonly bidirectional: boolean;
}

/**
 * The bucket of a key `distance` positions after its query. Each short distance has its own bucket; longer distances
 * share logarithmic buckets. Each step is rounded to float32 as in the reference, because rounding matters at borders.
 */
export function bucketOf(distance: number, { buckets, reach, bidirectional }: Buckets): number {
  const count = bidirectional ? Math.floor(buckets / 2) : buckets;
  const first = bidirectional && distance > 0 ? count : 0;
  const apart = bidirectional ? Math.abs(distance) : Math.max(0, -distance);
  const exact = Math.floor(count / 2);
  if (apart < exact) return first + apart;
  const { fround } = Math;
  const share = fround(fround(Math.log(fround(apart / exact))) / fround(Math.log(reach / exact)));
  return first + Math.min(count - 1, exact + Math.trunc(fround(share * (count - exact))));
}

/** A table of biases [buckets, heads] by distance, for `relativeBias`: [heads, 2·reach + 1]. */
export function biasesByDistance(graph: Graph, table: Tensor, of: Buckets): Tensor {
  const count = 2 * of.reach + 1;
  const rows = BigInt64Array.from({ length: count }, (_, i) => BigInt(bucketOf(i - of.reach, of)));
  const bytes = new Uint8Array(rows.buffer);
  const name = `buckets.${of.buckets}.${of.reach}.${of.bidirectional ? "both" : "past"}`;
  const indices = graph.constant(name, { dtype: "i64", shape: [count] }, { kind: "memory", bytes });
  return transpose(gather(table, indices, 0), [1, 0]);
}
