import { add, type Dim, mul, sameDim, sameShape } from "../dim.ts";
import { type NdArray, ndarray } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import { apply, type Op, ShapeError, showType } from "../op.ts";
import type { Tensor, TensorType } from "../tensor.ts";
import { type RotaryPairs, rotate } from "./rotary.ts";

export interface AttentionAttrs {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Softmax scale, usually 1/√headSize. */
  readonly scale: number;
  /** Rotary embedding of q and k inside the kernel: pairs (2i, 2i+1), pairs (i, i + d/2), or none. */
  readonly rotary: RotaryPairs;
  /** The number of elements at the start of a head that are rotated; all if absent. */
  readonly rotated?: number | undefined;
  /** The number of keys that a query sees, up to and including its own (sliding window); all if absent. */
  readonly window?: number | undefined;
  /**
   * The number of positions in a chunk: a query sees only keys of its own chunk. If absent, all positions are one
   * chunk.
   */
  readonly chunk?: number | undefined;
  /** A tanh keeps scores within ± this; no cap if absent. */
  readonly softcap?: number | undefined;
  /** True if each head has a sink: an extra score without a value. */
  readonly sinks?: true | undefined;
  /** The mean number of cached tokens per row, for the cost; the run uses `lengths`. */
  readonly past: Dim;
}

/** Visible query–key pairs under a causal mask: Σ over the t new tokens of (past + position + 1). */
export const causalPairs = (tokens: Dim, past: Dim): Dim =>
  add(mul(tokens, past), mul(0.5, tokens, tokens), mul(0.5, tokens));

// The kernel requires head sizes that are multiples of HEAD_STEP, or of ROTARY_STEP with rotation.
export const HEAD_STEP = 8;
export const ROTARY_STEP = 16;

const operands = ["qkv", "pastKey", "pastValue", "lengths", "total", "cos", "sin", "positions", "sinks"];

/** The optional operands: rotary tables, with or without positions, and the sinks, which come last. */
function optional<T>(inputs: readonly T[], { sinks }: AttentionAttrs) {
  const [cos, sin, positions] = inputs.slice(5, sinks ? -1 : undefined) as (T | undefined)[];
  return { cos, sin, positions, sinks: sinks ? inputs.at(-1) : undefined };
}

/** The number of the kernel's inputs before the score bias; the sinks come after the bias. */
const INPUTS_BEFORE_BIAS = 10;

/** A score this low hides its key. */
const HIDDEN = -1e9;

/** A mask that hides the keys before each query's chunk: f32 [batch, 1, tokens, keys]. */
function emitChunks(emit: Emitter, inputs: readonly string[], attrs: AttentionAttrs, chunk: number): string {
  const [qkv, , , lengths, total] = inputs as [string, string, string, string, string];
  const long = (x: string) => emit.value("Cast", [x], { to: { int: 7 } });
  const range = (end: string) => emit.value("Range", [emit.ints([0], []), end, emit.ints([1], [])]);
  const tokens = emit.value("Gather", [emit.value("Shape", [qkv]), emit.ints([1], [])]);
  // A prompt that begins a sequence may be padded on the right, which makes `past` negative.
  const past = emit.value("Sub", [emit.value("Add", [long(lengths), emit.ints([1], [])]), tokens]);
  const first = emit.value("Max", [past, emit.ints([0], [])]);
  // Positions in the bound part of the cache: the query's own position, and the start of its chunk.
  const own = emit.value("Add", [emit.value("Unsqueeze", [first, emit.ints([1])]), range(tokens)]);
  const { positions = own } = optional(inputs, attrs);
  const begin = emit.value("Sub", [own, emit.value("Mod", [positions, emit.ints([chunk], [])])]);
  const before = emit.value("Less", [range(long(total)), emit.value("Unsqueeze", [begin, emit.ints([-1])])]);
  const mask = emit.value("Where", [before, emit.floats([HIDDEN], []), emit.floats([0], [])]);
  return emit.value("Unsqueeze", [mask, emit.ints([1])]);
}

/** Attributes of ONNX Runtime's GroupQueryAttention. */
export const kernelAttributes = (attrs: Omit<AttentionAttrs, "rotated" | "chunk" | "sinks">) => ({
  num_heads: { int: attrs.heads },
  kv_num_heads: { int: attrs.kvHeads },
  scale: { float: attrs.scale },
  do_rotary: { int: attrs.rotary === "none" ? 0 : 1 },
  rotary_interleaved: { int: attrs.rotary === "interleaved" ? 1 : 0 },
  ...(attrs.window !== undefined && { local_window_size: { int: attrs.window } }),
  ...(attrs.softcap !== undefined && { softcap: { float: attrs.softcap } }),
});

const attentionOp: Op<AttentionAttrs> = {
  name: "cachedAttention",
  operands,
  infer(inputs, attrs) {
    const [qkv, pastKey, pastValue, lengths, total] = inputs;
    const { cos, sin, positions, sinks } = optional(inputs, attrs);
    const { heads, kvHeads, headSize, rotary } = attrs;
    const expect = (operand: string, t: TensorType | undefined, fits: boolean | undefined, expected: string) => {
      if (!fits) throw new ShapeError("cachedAttention", operand, t ? showType(t) : "missing", expected);
    };
    const width = (heads + 2 * kvHeads) * headSize;
    const batch = qkv!.shape[0]!;
    expect("qkv", qkv, qkv!.shape.length === 3 && qkv!.shape[2] === width, `[batch, tokens, ${width}]`);
    const step = rotary === "none" ? HEAD_STEP : ROTARY_STEP;
    expect("qkv", qkv, headSize % step === 0, `a head size that is a multiple of ${step}, not ${headSize}`);
    const cache = [batch, kvHeads, headSize];
    for (const [name, t] of Object.entries({ pastKey, pastValue }))
      expect(name, t, sameShape(t!.shape.toSpliced(2, 1), cache), `[${batch}, ${kvHeads}, capacity, ${headSize}]`);
    expect("lengths", lengths, lengths!.dtype === "i32" && sameShape(lengths!.shape, [batch]), `i32[${batch}]`);
    expect("total", total, total!.dtype === "i32" && total!.shape.length === 0, "i32[]");
    const pairs = (attrs.rotated ?? headSize) / 2;
    for (const [name, t] of Object.entries(rotary === "none" ? {} : { cos, sin }))
      expect(name, t, t?.shape.length === 2 && sameDim(t.shape[1]!, pairs), `[positions, ${pairs}]`);
    const tokens = qkv!.shape.slice(0, 2);
    if (positions !== undefined)
      expect("positions", positions, positions.dtype === "i64" && sameShape(positions.shape, tokens), `i64[${tokens}]`);
    if (attrs.sinks) expect("sinks", sinks, sinks && sameShape(sinks.shape, [heads]), `[${heads}]`);
    return [{ dtype: "f32", shape: [...qkv!.shape.slice(0, 2), heads * headSize] }, pastKey!, pastValue!];
  },
  onnx(emit, { inputs, outputs }, attrs) {
    const kernel = kernelAttributes(attrs);
    const [qkv, ...rest] = attrs.sinks ? inputs.slice(0, -1) : inputs;
    const before = [qkv!, "", "", ...rest];
    const bias = attrs.chunk === undefined ? [] : [emitChunks(emit, inputs, attrs, attrs.chunk)];
    const last = attrs.sinks ? [bias[0] ?? "", inputs.at(-1)!] : bias;
    const absent = new Array<string>(INPUTS_BEFORE_BIAS - before.length).fill("");
    emit.contrib("GroupQueryAttention", last.length > 0 ? [...before, ...absent, ...last] : before, outputs, kernel);
  },
  // The kernel visits every bound key in the cache, including those outside a window.
  cost([qkv], _outputs, { heads, kvHeads, headSize, past }) {
    const [batch, tokens] = qkv!.shape as [Dim, Dim];
    const cache = mul(batch, add(past, tokens), kvHeads * headSize * 2 * 4);
    const fresh = mul(batch, tokens, (heads + 2 * kvHeads) * headSize * 4);
    return {
      flops: mul(4 * heads * headSize, batch, causalPairs(tokens, past)),
      read: add(fresh, cache),
      written: mul(batch, tokens, (heads + 2 * kvHeads) * headSize * 4),
    };
  },
  trainedAs: "causalAttention",
  reference(inputs, attrs) {
    const [qkv, pastKey, pastValue, lengths] = inputs;
    const { cos, sin, positions, sinks } = optional(inputs, attrs);
    const [batch, tokens] = qkv!.shape as [number, number];
    const keys = { shape: pastKey!.shape, data: pastKey!.data.slice() };
    const values = { shape: pastValue!.shape, data: pastValue!.data.slice() };
    const y = ndarray([batch, tokens, attrs.heads * attrs.headSize]);
    for (let b = 0; b < batch; b++) {
      const past = lengths!.data[b]! + 1 - tokens;
      const turn = (t: number) => positions?.data[b * tokens + t] ?? past + t;
      attendRow({ qkv: qkv!, keys, values, cos, sin, sinks, y, turn }, b, tokens, past, attrs);
    }
    return [y, keys, values];
  },
};

interface AttentionRow {
  qkv: NdArray;
  keys: NdArray;
  values: NdArray;
  cos: NdArray | undefined;
  sin: NdArray | undefined;
  sinks: NdArray | undefined;
  y: NdArray;
  /** The position by which a new token is rotated. */
  turn(token: number): number;
}

function attendRow(r: AttentionRow, batch: number, tokens: number, past: number, attrs: AttentionAttrs): void {
  const { heads, kvHeads, headSize, window = Number.POSITIVE_INFINITY, chunk = Number.POSITIVE_INFINITY } = attrs;
  const capacity = r.keys.shape[2]!;
  const cached = (head: number, position: number) => ((batch * kvHeads + head) * capacity + position) * headSize;
  const part = (token: number, head: number) =>
    (batch * tokens + token) * (heads + 2 * kvHeads) * headSize + head * headSize;
  const rotated = (offset: number, position: number) => {
    const x = r.qkv.data.subarray(offset, offset + headSize);
    return r.cos && r.sin ? rotate(x, position, { cos: r.cos, sin: r.sin }, attrs.rotary) : x;
  };
  for (let t = 0; t < tokens; t++)
    for (let h = 0; h < kvHeads; h++) {
      r.keys.data.set(rotated(part(t, heads + h), r.turn(t)), cached(h, past + t));
      const v = part(t, heads + kvHeads + h);
      r.values.data.set(r.qkv.data.subarray(v, v + headSize), cached(h, past + t));
    }
  for (let t = 0; t < tokens; t++)
    for (let h = 0; h < heads; h++) {
      const q = rotated(part(t, h), r.turn(t));
      const kv = Math.floor((h * kvHeads) / heads);
      const first = Math.max(0, past + t + 1 - window, past + t - (r.turn(t) % chunk));
      const at = (key: number) => cached(kv, first + key);
      r.y.data.set(
        attend(q, r.keys.data, r.values.data, at, past + t + 1 - first, { ...attrs, sink: r.sinks?.data[h] }),
        ((batch * tokens + t) * heads + h) * headSize,
      );
    }
}

/** The attributes of a query's scores. */
interface ScoreAttrs extends Pick<AttentionAttrs, "scale" | "softcap"> {
  /** The head's sink. */
  readonly sink?: number | undefined;
}

/** Softmax-weighted mean of the first `n` values, for one query. */
export function attend(
  q: Float64Array,
  keys: Float64Array,
  values: Float64Array,
  at: (position: number) => number,
  n: number,
  scores: ScoreAttrs,
): Float64Array {
  const weights = attentionWeights(q, keys, at, n, scores);
  return q.map((_, i) => weights.reduce((sum, w, j) => sum + w * values[at(j) + i]!, 0));
}

/** The softmax of a query's scores; with a sink the weights sum to less than 1. */
export function attentionWeights(
  q: Float64Array,
  keys: Float64Array,
  at: (position: number) => number,
  n: number,
  { scale, softcap, sink = Number.NEGATIVE_INFINITY }: ScoreAttrs,
): Float64Array {
  const capped = (s: number) => (softcap === undefined ? s : softcap * Math.tanh(s / softcap));
  const scores = Float64Array.from({ length: n }, (_, j) =>
    capped(scale * q.reduce((sum, v, i) => sum + v * keys[at(j) + i]!, 0)),
  );
  const top = scores.reduce((a, b) => Math.max(a, b), sink);
  const weights = scores.map((s) => Math.exp(s - top));
  const norm = weights.reduce((a, b) => a + b, Math.exp(sink - top));
  return weights.map((w) => w / norm);
}

export interface CacheTensors {
  /** f32 [batch, kvHeads, capacity, headSize] */
  readonly pastKey: Tensor;
  readonly pastValue: Tensor;
  /** i32 [batch]: tokens in the cache after this run, minus one */
  readonly lengths: Tensor;
  /** i32 []: the greatest of `lengths`, plus one */
  readonly total: Tensor;
  /**
   * i64 [batch, tokens]: the new tokens' positions. Needed if the bound cache starts at a later token, from which
   * `lengths` and `total` then count. If absent, positions follow `lengths`.
   */
  readonly positions?: Tensor | undefined;
}

/**
 * Causal attention with grouped queries (Ainslie et al. 2023) over a cache. Past and present must be bound to one
 * buffer, so that the new keys and values are written in place, and a step costs the same at any capacity. Rows may
 * differ in length if each has one new token; if tokens are cached, the kernel refuses several rows with several new
 * tokens each. qkv [batch, tokens, (heads + 2·kvHeads)·headSize], tables [positions, rotated/2], `sinks` f32 [heads] if
 * the attributes have `sinks` → y [batch, tokens, heads·headSize].
 */
export function cachedAttention(
  qkv: Tensor,
  cache: CacheTensors,
  tables: { cos: Tensor; sin: Tensor } | undefined,
  attrs: AttentionAttrs,
  sinks?: Tensor,
) {
  const inputs = [
    qkv,
    cache.pastKey,
    cache.pastValue,
    cache.lengths,
    cache.total,
    ...(tables ? [tables.cos, tables.sin] : []),
    ...(tables && cache.positions ? [cache.positions] : []),
    ...(sinks ? [sinks] : []),
  ];
  const [y, presentKey, presentValue] = apply(attentionOp, inputs, attrs) as [Tensor, Tensor, Tensor];
  return { y, presentKey, presentValue };
}
