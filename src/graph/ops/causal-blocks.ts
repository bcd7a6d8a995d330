/** The parts that causal attention and its gradient share: heads as rows, blocks of queries, and their weights. */
import { count } from "../ndarray.ts";
import type { Emitter } from "../onnx.ts";
import type { TensorType } from "../tensor.ts";
import type { AttentionAttrs } from "./attention.ts";

export type CausalAttrs = Pick<
  AttentionAttrs,
  "heads" | "kvHeads" | "headSize" | "scale" | "window" | "chunk" | "softcap" | "sinks"
>;

/** Optional operands, i64 [batch, tokens]: each token's document in its row, and 1 for tokens of a prefix. */
const PER_TOKEN = ["documents", "prefix"] as const;
export type PerToken<T> = { readonly [name in (typeof PER_TOKEN)[number]]?: T | undefined };

/** Attributes of both operators. The last operands are the names in `present`, in the order of `PER_TOKEN`, then the sinks. */
export type OptionalAttrs = CausalAttrs & { readonly present: readonly (keyof PerToken<unknown>)[] };

/** The optional operands that are present. */
export function optionalOperands<T>(all: PerToken<T>): { present: OptionalAttrs["present"]; operands: T[] } {
  const names = PER_TOKEN.filter((name) => all[name] !== undefined);
  return { present: names, operands: names.map((name) => all[name]!) };
}

/** The last operands, by their names in `present`. */
export function byName<T>(operands: readonly T[], { present }: OptionalAttrs): PerToken<T> {
  return Object.fromEntries(present.map((name, i) => [name, operands[i]]));
}

/** The heads' sinks among the last operands; undefined if heads have none. */
export const sinksIn = <T>(operands: readonly T[], { present, sinks }: OptionalAttrs): T | undefined =>
  sinks ? operands[present.length] : undefined;

/** True if, in row `b`, the query at one position sees the key at another, given `optionalOperands`. */
export function seesBy({ documents, prefix }: PerToken<{ data: Float64Array }>, tokens: number, attrs: CausalAttrs) {
  return (b: number, query: number, key: number): boolean => {
    const [q, k] = [b * tokens + query, b * tokens + key];
    const both = prefix !== undefined && prefix.data[q] !== 0 && prefix.data[k] !== 0;
    return sees(query, key, attrs, both) && documents?.data[q] === documents?.data[k];
  };
}

/** True if the query at one position sees the key at the other; `both`: both positions are in a prefix. */
export const sees = (
  query: number,
  key: number,
  { window = Number.POSITIVE_INFINITY, chunk = Number.POSITIVE_INFINITY }: CausalAttrs,
  both = false,
): boolean => (key <= query ? key > query - window && key >= query - (query % chunk) : both && key < query + window);

/** Visible query–key pairs of one text. */
function pairsSeen(tokens: number, { window = tokens, chunk = tokens }: Pick<CausalAttrs, "window" | "chunk">): number {
  if (chunk < tokens) return pairsSeen(chunk, { window }) + pairsSeen(tokens - chunk, { window, chunk });
  const most = Math.min(tokens, window);
  return (most * (most + 1)) / 2 + (tokens - most) * most;
}

/** The pairs billed for a row. Prefix lengths are data, so with prefixes, all pairs count in both directions. */
export const pairsOf = (tokens: number, attrs: OptionalAttrs): number =>
  attrs.present.includes("prefix") ? 2 * pairsSeen(tokens, attrs) - tokens : pairsSeen(tokens, attrs);

/** The number of queries scored together; larger blocks would score too many hidden keys. */
const BLOCK = 128;

/** Queries `first` to `last` − 1; they see only keys `from` to `to` − 1. */
export interface Block {
  readonly from: number;
  readonly first: number;
  readonly last: number;
  readonly to: number;
}

/** `prefixed`: rows have prefixes, in which queries see later keys. */
export function blocksOf(tokens: number, { window = tokens }: CausalAttrs, prefixed: boolean): Block[] {
  return Array.from({ length: Math.ceil(tokens / BLOCK) }, (_, i) => {
    const first = i * BLOCK;
    const last = Math.min(tokens, first + BLOCK);
    const to = prefixed ? Math.min(tokens, last - 1 + window) : last;
    return { from: Math.max(0, first + 1 - window), first, last, to };
  });
}

/**
 * The shapes of the attention weights that the blocks output for the gradient; empty if the gradient recomputes them:
 * if it needs scores, or the weights take more memory than queries, keys and values.
 */
export function weightShapes([batch, tokens]: readonly number[], attrs: OptionalAttrs): number[][] {
  const { heads, kvHeads, headSize } = attrs;
  const blocks = blocksOf(tokens!, attrs, attrs.present.includes("prefix"));
  const shapes = blocks.map(({ from, first, last, to }) => [
    ...[batch!, kvHeads, ((last - first) * heads) / kvHeads, to - from],
  ]);
  const most = batch! * tokens! * (heads + 2 * kvHeads) * headSize;
  const all = shapes.reduce((sum, shape) => sum + count(shape), 0);
  return attrs.softcap === undefined && all <= most ? shapes : [];
}

/** The score of hidden keys: far below any other, but finite, so its product with a weight of zero is zero. */
const HIDDEN = -1e9;

/** Emits nodes on q, k and v, split by key–value head: a row is one query head of one token, in token order. */
export class CausalEmitter {
  readonly batch: number;
  readonly tokens: number;
  readonly group: number;

  constructor(
    readonly emit: Emitter,
    [q]: readonly TensorType[],
    readonly attrs: CausalAttrs,
  ) {
    [this.batch, this.tokens] = q!.shape.map(Number) as [number, number];
    this.group = attrs.heads / attrs.kvHeads;
  }

  /** [batch, tokens, kvHeads·group·size] → [batch, kvHeads, tokens·group, size] */
  rows(x: string, group: number, size: number = this.attrs.headSize): string {
    const { emit, batch, tokens } = this;
    const { kvHeads } = this.attrs;
    const apart = emit.value("Reshape", [x, emit.ints([batch, tokens, kvHeads, group, size])]);
    const turned = emit.value("Transpose", [apart], { perm: { ints: [0, 2, 1, 3, 4] } });
    return emit.value("Reshape", [turned, emit.ints([batch, kvHeads, tokens * group, size])]);
  }

  /** The inverse of `rows`, written to `output`. */
  merge(rows: string, group: number, output: string): void {
    const { emit, batch, tokens } = this;
    const { kvHeads, headSize } = this.attrs;
    const apart = emit.value("Reshape", [rows, emit.ints([batch, kvHeads, tokens, group, headSize])]);
    const turned = emit.value("Transpose", [apart], { perm: { ints: [0, 2, 1, 3, 4] } });
    emit.node("Reshape", [turned, emit.ints([batch, tokens, kvHeads * group * headSize])], [output]);
  }

  /** Rows `from` to `to` − 1 of x [batch, kvHeads, rows, …], which has `of` rows. */
  slice(x: string, from: number, to: number, of: number): string {
    const { emit } = this;
    if (from === 0 && to === of) return x;
    return emit.value("Slice", [x, emit.ints([from]), emit.ints([to]), emit.ints([2])]);
  }

  /** The rows of a block's queries. */
  queries(x: string, { first, last }: Block): string {
    return this.slice(x, first * this.group, last * this.group, this.tokens * this.group);
  }

  /** The keys or values of a block. */
  keys(x: string, { from, to }: Block): string {
    return this.slice(x, from, to, this.tokens);
  }

  product(a: string, b: string, attrs: { transA?: true; transB?: true; scale?: number }): string {
    const y = this.emit.temp();
    this.emit.contrib("FusedMatMul", [a, b], [y], {
      transA: { int: attrs.transA ? 1 : 0 },
      transB: { int: attrs.transB ? 1 : 0 },
      alpha: { float: attrs.scale ?? 1 },
    });
    return y;
  }

  join(parts: readonly string[], axis = 2): string {
    return parts.length === 1 ? parts[0]! : this.emit.value("Concat", parts, { axis: { int: axis } });
  }

  /**
   * A block's scores, with hidden ones far below the rest, from the rows of its queries and all keys. `perToken` also
   * hides other documents, and makes prefix tokens visible to each other.
   */
  scores(q: string, k: string, block: Block, perToken: LaidPerToken): string {
    const shown = perToken.prefix ? this.#inPrefix(q, k, block, perToken.prefix) : this.#causal(q, k, block);
    if (!perToken.documents) return shown;
    const same = this.#pairs("Equal", perToken.documents, block);
    const mask = this.emit.value("Where", [same, this.emit.floats([0], []), this.emit.floats([HIDDEN], [])]);
    return this.emit.value("Add", [shown, mask]);
  }

  /** The softmax of a block's scores; with `sinks` [heads], a query's weights sum to less than 1. */
  weights(scores: string, { from, first, last, to }: Block, sinks: string | undefined, output?: string): string {
    const { emit, batch, group } = this;
    const weights = output ?? emit.temp();
    if (sinks === undefined) {
      emit.node("Softmax", [scores], [weights], { axis: { int: -1 } });
      return weights;
    }
    const { kvHeads } = this.attrs;
    const byHead = emit.value("Reshape", [sinks, emit.ints([1, kvHeads, 1, group])]);
    const each = emit.value("Expand", [byHead, emit.ints([batch, kvHeads, last - first, group])]);
    const column = emit.value("Reshape", [each, emit.ints([batch, kvHeads, (last - first) * group, 1])]);
    const all = emit.value("Softmax", [this.join([scores, column], 3)], { axis: { int: -1 } });
    emit.node("Slice", [all, emit.ints([0]), emit.ints([to - from]), emit.ints([3])], [weights]);
    return weights;
  }

  /** Keys before the block's queries are scored separately, because without a window none of them is hidden. */
  #causal(q: string, k: string, block: Block): string {
    const { from, first, to } = block;
    const spans = first > from ? [[from, first] as const, [first, to] as const] : [[first, to] as const];
    const parts = spans.map(([start, end]) => {
      const scores = this.#score(q, k, start, end);
      const mask = this.#mask(block, start, end, false);
      return mask === undefined ? scores : this.emit.value("Add", [scores, mask]);
    });
    return this.join(parts, 3);
  }

  #inPrefix(q: string, k: string, block: Block, prefix: BlockLayout): string {
    const { emit } = this;
    const [causal, both] = [false, true].map((whole) => this.#mask(block, block.from, block.to, whole));
    const none = emit.floats([0], []);
    const pairs = this.#pairs("And", prefix, block);
    const mask = emit.value("Where", [pairs, both ?? none, causal ?? none]);
    return emit.value("Add", [this.#score(q, k, block.from, block.to), mask]);
  }

  #score(q: string, k: string, start: number, end: number): string {
    const keys = this.slice(k, start, end, this.tokens);
    return this.#cap(this.product(q, keys, { transB: true, scale: this.attrs.scale }));
  }

  #cap(scores: string): string {
    const { softcap } = this.attrs;
    if (softcap === undefined) return scores;
    const { emit } = this;
    const share = emit.value("Tanh", [emit.value("Mul", [scores, emit.floats([1 / softcap], [])])]);
    return emit.value("Mul", [share, emit.floats([softcap], [])]);
  }

  /**
   * A term added to scores: it hides keys `start` to `end` − 1 from queries that do not see them; undefined if all
   * queries see them.
   */
  #mask({ first, last }: Block, start: number, end: number, prefix: boolean): string | undefined {
    const [queries, keys] = [last - first, end - start];
    const mask = Float32Array.from({ length: queries * this.group * keys }, (_, i) => {
      const query = first + Math.floor(i / keys / this.group);
      return sees(query, start + (i % keys), this.attrs, prefix) ? 0 : HIDDEN;
    });
    if (mask.every((v) => v === 0)) return undefined;
    const kind = prefix ? "prefix" : "causal";
    const { window = "all", chunk } = this.attrs;
    const place = chunk === undefined ? "" : `_${first % chunk}of${chunk}`;
    const name = `${kind}_${queries}x${this.group}_${keys}_${first - start}_${window}${place}`;
    return this.emit.table(name, mask, [queries * this.group, keys]);
  }

  /** A per-token operand, laid out along queries and along keys. */
  layOut({ documents, prefix }: PerToken<string>): LaidPerToken {
    const flags = prefix === undefined ? undefined : this.emit.value("Cast", [prefix], BOOL);
    return {
      documents: documents === undefined ? undefined : this.#laid(documents),
      prefix: flags === undefined ? undefined : this.#laid(flags),
    };
  }

  /** x is [batch, tokens]. */
  #laid(x: string): BlockLayout {
    const { emit, batch, tokens, group } = this;
    const column = emit.value("Reshape", [x, emit.ints([batch, 1, tokens, 1])]);
    const each = emit.value("Expand", [column, emit.ints([batch, 1, tokens, group])]);
    return {
      ofQueries: emit.value("Reshape", [each, emit.ints([batch, 1, tokens * group, 1])]),
      ofKeys: column,
    };
  }

  /** A relation between a block's queries and keys: bool [batch, 1, queries, keys]. */
  #pairs(relation: "Equal" | "And", { ofQueries, ofKeys }: BlockLayout, block: Block): string {
    const { emit, batch } = this;
    const keys = emit.value("Reshape", [this.keys(ofKeys, block), emit.ints([batch, 1, 1, block.to - block.from])]);
    return emit.value(relation, [this.queries(ofQueries, block), keys]);
  }
}

interface BlockLayout {
  readonly ofQueries: string;
  readonly ofKeys: string;
}

type LaidPerToken = PerToken<BlockLayout>;

/** The ONNX code of the type. */
const BOOL = { to: { int: 9 } };
