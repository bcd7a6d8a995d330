import { makeReceipt, type Receipt } from "./receipt.ts";

type Counters = NonNullable<Receipt["work"]>;
type Calls = NonNullable<Counters["calls"]>;

/** One receipt for the parts of one request, such as its several answers: amounts are added, those of time, too. @throws RangeError without parts */
export function together(parts: readonly Receipt[]): Receipt {
  const [first] = parts;
  if (!first) throw new RangeError("a request without parts has no receipt");
  if (parts.length === 1) return first;
  const cut = parts.find((p) => p.cut)?.cut;
  return makeReceipt({
    model: first.model,
    recipe: first.recipe,
    tokens: sums(parts.map((p) => p.tokens)),
    flops: sums(parts.map(({ flops: { dense, spent, overhead } }) => ({ dense, spent, overhead }))),
    bytes: sums(parts.map((p) => p.bytes)),
    work: work(parts.flatMap((p) => p.work ?? [])),
    ms: sums(parts.map((p) => p.ms)),
    estimated: parts.some((p) => p.estimated),
    ...(cut && { cut }),
  });
}

function work(parts: readonly Counters[]): Counters {
  const counters = (["layers", "blocks", "experts"] as const).flatMap((name) => {
    const counted = parts.flatMap((p) => p[name] ?? []);
    return counted.length > 0 ? [[name, sums(counted)] as const] : [];
  });
  return {
    ...Object.fromEntries(counters),
    calls: calls(parts.flatMap((p) => (p.calls ? Object.entries(p.calls) : []))),
  };
}

/** Sums by model. A plain number is of a model that was called by itself. */
function calls(entries: readonly (readonly [string, Calls[string]])[]): Calls {
  const total: Calls = {};
  for (const [model, count] of entries) {
    const before = total[model] ?? 0;
    total[model] =
      typeof before === "number" && typeof count === "number" ? before + count : sums([both(before), both(count)]);
  }
  return total;
}

const both = (count: Calls[string]) => (typeof count === "number" ? { dense: count, run: count } : count);

/** Sums by key, of all keys that any has. */
function sums<T extends Record<string, number>>(rows: readonly T[]): T {
  const total: Record<string, number> = {};
  for (const row of rows) for (const [key, value] of Object.entries(row)) total[key] = (total[key] ?? 0) + value;
  return total as T;
}
