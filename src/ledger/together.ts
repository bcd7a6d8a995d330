import { makeReceipt, type Receipt, type ReceiptParts } from "./receipt.ts";

type Counters = NonNullable<Receipt["work"]>;

/**
 * Combines the receipts of a request's parts, such as its answers, into one: amounts and times are added.
 * @throws RangeError without parts
 */
export function together(parts: readonly Receipt[]): Receipt {
  const [first] = parts;
  if (!first) throw new RangeError("a request without parts has no receipt");
  if (parts.length === 1) return first;
  const { model, recipe, adapter } = first;
  const cut = parts.find((p) => p.cut)?.cut;
  const { guarantee, unguaranteed } = first;
  const one = parts.every((part) => part.guarantee?.certificate === guarantee?.certificate);
  const under = one && guarantee !== undefined ? { guarantee, ...(unguaranteed && { unguaranteed }) } : {};
  const named = { model, recipe, ...(adapter && { adapter }) };
  return makeReceipt({ ...named, ...amountsOf(parts), ...(cut && { cut }), ...under });
}

/** A receipt's amounts. */
type Amounts = Pick<ReceiptParts, "tokens" | "flops" | "bytes" | "ms" | "estimated"> & { readonly work: Counters };

/** The summed amounts and times of parts; zeros without parts. */
export const amountsOf = (parts: readonly Receipt[]): Amounts => ({
  tokens: sums([{ prompt: 0, cached: 0, completion: 0 }, ...parts.map((p) => p.tokens)]),
  flops: sums([
    { dense: 0, spent: 0, overhead: 0 },
    ...parts.map(({ flops: { dense, spent, overhead } }) => ({ dense, spent, overhead })),
  ]),
  bytes: sums([{ dense: 0, spent: 0 }, ...parts.map((p) => p.bytes)]),
  work: work(parts.flatMap((p) => (p.work ? [p.work] : []))),
  ms: sums([
    { queue: 0, load: 0, encode: 0, prefill: 0, decode: 0 },
    ...parts.map(({ ms: { total: _, ...ms } }) => ms),
  ]),
  estimated: parts.some((p) => p.estimated),
});

type Counter = { dense: number; run: number };

function work(parts: readonly Counters[]): Counters {
  const total: Counters = {};
  for (const part of parts)
    for (const [name, counted] of Object.entries(part)) total[name] = both(total[name], counted);
  return total;
}

/** Adds two counters, or two sets of counters by model, in which a plain number counts direct calls of a model. */
function both(a: Counters[string] | undefined, b: Counters[string]): Counters[string] {
  if (a === undefined) return b;
  if (isCounter(a) && isCounter(b)) return sums([a, b]);
  const [all, more] = [a, b] as Record<string, number | Counter>[];
  const models = new Set([...Object.keys(all!), ...Object.keys(more!)]);
  return Object.fromEntries([...models].map((model) => [model, calls(all![model] ?? 0, more![model] ?? 0)]));
}

const isCounter = (counted: Counters[string]): counted is Counter =>
  typeof counted["dense"] === "number" && typeof counted["run"] === "number";

const calls = (a: number | Counter, b: number | Counter): number | Counter =>
  typeof a === "number" && typeof b === "number" ? a + b : sums([counterOf(a), counterOf(b)]);

const counterOf = (count: number | Counter): Counter =>
  typeof count === "number" ? { dense: count, run: count } : count;

/** Sums rows key by key; missing keys count as 0. */
function sums<T extends Record<string, number>>(rows: readonly T[]): T {
  const total: Record<string, number> = {};
  for (const row of rows) for (const [key, value] of Object.entries(row)) total[key] = (total[key] ?? 0) + value;
  return total as T;
}
