import type { SqlRow, Values } from "./database.ts";
import { type Receipt, savedShare } from "./receipt.ts";

/** Filters receipts by time (`since` inclusive, `until` exclusive), by model, and by key id; all optional. */
export interface LedgerFilter {
  since?: Date | undefined;
  until?: Date | undefined;
  model?: string | undefined;
  key?: string | undefined;
}

/** Filters receipts for sums. Audits, which no user requested, count only if `audits` is true. */
export interface SumFilter extends LedgerFilter {
  audits?: boolean | undefined;
}

/** The sum of the receipts that match a filter; `estimated` counts the estimated receipts. */
export interface LedgerSum extends Pick<Receipt, "tokens" | "flops" | "bytes" | "ms"> {
  receipts: number;
  estimated: number;
}

const conditions: Readonly<Record<keyof LedgerFilter, string>> = {
  since: "created >= :since",
  until: "created < :until",
  model: "model = :model",
  key: "key = :key",
};

/** `FROM receipts` and the filter's conditions, with their values. */
export function from({ since, until, model, key }: LedgerFilter): { from: string; values: Values } {
  // ISO times of the same precision sort as text.
  const all = { since: since?.toISOString(), until: until?.toISOString(), model, key };
  const entries = Object.entries(all).filter((entry): entry is [keyof LedgerFilter, string] => entry[1] !== undefined);
  const where = entries.map(([name], at) => `${at === 0 ? " WHERE" : " AND"} ${conditions[name]}`);
  return { from: `FROM receipts${where.join("")}`, values: Object.fromEntries(entries) };
}

const amounts = [
  ...["estimated", "prompt", "cached", "completion", "flops_dense", "flops_spent", "flops_overhead"],
  ...["bytes_dense", "bytes_spent", "ms_queue", "ms_load", "ms_encode", "ms_prefill", "ms_decode", "ms_total"],
];

/** Like `from`, but without audits unless `audits` is set. */
export function summedFrom({ audits = false, ...filter }: SumFilter): { from: string; values: Values } {
  const { from: all, values } = from(filter);
  if (audits) return { from: all, values };
  return {
    from: `${all}${Object.keys(values).length > 0 ? " AND" : " WHERE"} (receipt ->> 'purpose') IS NULL`,
    values,
  };
}

/** The sum's columns, as a type that every driver reads as a number. */
export const SUMS = [
  "cast(count(*) AS double precision) AS receipts",
  ...amounts.map((name) => `coalesce(sum(cast(${name} AS double precision)), 0) AS ${name}`),
].join(", ");

export function sumOf(row: SqlRow): LedgerSum {
  const n = (name: string) => row[name] as number;
  const flops = { dense: n("flops_dense"), spent: n("flops_spent"), overhead: n("flops_overhead") };
  return {
    receipts: n("receipts"),
    estimated: n("estimated"),
    tokens: { prompt: n("prompt"), cached: n("cached"), completion: n("completion") },
    flops: { ...flops, saved: savedShare(flops) },
    bytes: { dense: n("bytes_dense"), spent: n("bytes_spent") },
    ms: {
      ...{ queue: n("ms_queue"), load: n("ms_load"), encode: n("ms_encode") },
      ...{ prefill: n("ms_prefill"), decode: n("ms_decode"), total: n("ms_total") },
    },
  };
}
