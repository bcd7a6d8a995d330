import type { RopeScaling } from "../../nn/rope.ts";
import { UserError } from "../../util/errors.ts";
import type { Fields } from "./fields.ts";

/** config.json's fields for a rotary embedding. */
export type Parameters = Readonly<Record<string, unknown>>;

export function numberOf(fields: Fields, parameters: Parameters, key: string, fallback?: number): number {
  const value = parameters[key] ?? fallback;
  return typeof value === "number" && value > 0 ? value : fields.refuse(key, value, "a positive number");
}

/** The dimensions of a rotary embedding. */
export interface Span {
  readonly context: number;
  /** The number of elements in a head. */
  readonly rotated: number;
  /** The kind of layer, if layers differ. */
  readonly kind?: string | undefined;
}

type Long = Extract<RopeScaling, { type: "long" }>;

/** A config.json's LongRoPE, as transformers reads it. */
export function hubLongRope(fields: Fields, parameters: Parameters, span: Span): RopeScaling {
  const { context, rotated } = span;
  const nested = numberOf(fields, parameters, "original_max_position_embeddings", context);
  const original = wholeOf(fields, fields.number(undefined, "original_max_position_embeddings", nested));
  const factor = numberOf(fields, parameters, "factor", context / original);
  const magnitude = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  return byLength(fields, span, {
    short: factorsOf(fields, parameters, "short_factor", rotated / 2),
    long: factorsOf(fields, parameters, "long_factor", rotated / 2),
    original,
    magnitude: numberOf(fields, parameters, "attention_factor", magnitude),
  });
}

/** A GGUF's LongRoPE, whose factors are tensors. */
export function ggufLongRope(fields: Fields, span: Span): RopeScaling {
  const number = (name: string, fallback: number) => fields.number(`rope.scaling.${name}`, undefined, fallback);
  const original = wholeOf(fields, number("original_context_length", span.context));
  return byLength(fields, span, { short: [], long: [], original, magnitude: number("attn_factor", 1) });
}

const wholeOf = (fields: Fields, original: number): number =>
  Number.isInteger(original) && original > 0
    ? original
    : fields.refuse("original_max_position_embeddings", original, "a whole number above 0");

/** Returns one set of factors if no sequence is long enough to need the second. */
function byLength(fields: Fields, { context, kind }: Span, { short, ...more }: Omit<Long, "type">): RopeScaling {
  const { original, magnitude } = more;
  // LongRoPE selects a sequence's factors by an offset of its positions, which is the same in all layers.
  if (kind !== undefined) fields.refuse("rope_scaling", "longrope", "a different type if kinds of layers differ");
  return original < context ? { type: "long", short, ...more } : { type: "factors", factors: short, magnitude };
}

function factorsOf(fields: Fields, parameters: Parameters, key: string, count: number): number[] {
  const factors = parameters[key];
  if (!Array.isArray(factors) || !factors.every((f) => typeof f === "number" && f > 0))
    return fields.refuse(key, factors, "a list of positive numbers");
  if (factors.length === count) return factors;
  throw new UserError(`${fields.source.path}: "${key}" has ${factors.length} values, expected ${count}`);
}
