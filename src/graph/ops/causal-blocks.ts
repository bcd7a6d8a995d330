/** The common part of causal attention and its gradient: heads as rows, blocks of queries, and their weights. */
import type { Emitter } from "../onnx.ts";
import type { TensorType } from "../tensor.ts";
import type { AttentionAttrs } from "./attention.ts";

export type CausalAttrs = Pick<AttentionAttrs, "heads" | "kvHeads" | "headSize" | "scale" | "window" | "softcap">;

/** True if the query at one position sees the key at another. */
export const sees = (query: number, key: number, { window = Number.POSITIVE_INFINITY }: CausalAttrs): boolean =>
  key <= query && key > query - window;

/** Pairs of a query and a key that it sees, in one text. */
export function pairsSeen(tokens: number, { window = tokens }: CausalAttrs): number {
  const most = Math.min(tokens, window);
  return (most * (most + 1)) / 2 + (tokens - most) * most;
}

/** Queries that are scored together: more would score too many hidden keys. */
const BLOCK = 128;

/** Queries first … last − 1, which see only keys start … last − 1. */
export interface Block {
  readonly from: number;
  readonly first: number;
  readonly last: number;
}

export function blocksOf(tokens: number, { window = tokens }: CausalAttrs): Block[] {
  return Array.from({ length: Math.ceil(tokens / BLOCK) }, (_, i) => {
    const first = i * BLOCK;
    return { from: Math.max(0, first + 1 - window), first, last: Math.min(tokens, first + BLOCK) };
  });
}

/** A score's part that is hidden: far below any other, and finite, so that it times a weight of zero is zero. */
const HIDDEN = -1e9;

/** Emits over q, k and v by head. A row of queries is one of a token and one of the query heads that share its key–value head, tokens first. */
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

  /** The way back, into `output`. */
  merge(rows: string, group: number, output: string): void {
    const { emit, batch, tokens } = this;
    const { kvHeads, headSize } = this.attrs;
    const apart = emit.value("Reshape", [rows, emit.ints([batch, kvHeads, tokens, group, headSize])]);
    const turned = emit.value("Transpose", [apart], { perm: { ints: [0, 2, 1, 3, 4] } });
    emit.node("Reshape", [turned, emit.ints([batch, tokens, kvHeads * group * headSize])], [output]);
  }

  /** Rows from … to − 1 of x [batch, kvHeads, rows, …], which has `of` of them. */
  slice(x: string, from: number, to: number, of: number): string {
    const { emit } = this;
    if (from === 0 && to === of) return x;
    return emit.value("Slice", [x, emit.ints([from]), emit.ints([to]), emit.ints([2])]);
  }

  /** The rows of a block's queries. */
  queries(x: string, { first, last }: Block): string {
    return this.slice(x, first * this.group, last * this.group, this.tokens * this.group);
  }

  /** The keys or values that a block sees. */
  keys(x: string, { from, last }: Block): string {
    return this.slice(x, from, last, this.tokens);
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
   * A block's scores, with hidden ones far below the rest, from the rows of its queries and all keys. Also hides other
   * documents, if `documents` is given.
   */
  scores(q: string, k: string, block: Block, documents: Documents | undefined): string {
    const { from, first, last } = block;
    const spans = first > from ? [[from, first] as const, [first, last] as const] : [[first, last] as const];
    const parts = spans.map(([start, end]) => {
      const scores = this.product(q, this.slice(k, start, end, this.tokens), { transB: true, scale: this.attrs.scale });
      return this.#hide(this.#cap(scores), block, start, end);
    });
    const all = this.join(parts, 3);
    return documents ? this.emit.value("Add", [all, this.#apart(documents, block)]) : all;
  }

  #cap(scores: string): string {
    const { softcap } = this.attrs;
    if (softcap === undefined) return scores;
    const { emit } = this;
    const share = emit.value("Tanh", [emit.value("Mul", [scores, emit.floats([1 / softcap], [])])]);
    return emit.value("Mul", [share, emit.floats([softcap], [])]);
  }

  /** Hides keys start … end − 1 from the block's queries that do not see them. */
  #hide(scores: string, { first, last }: Block, start: number, end: number): string {
    const [queries, keys] = [last - first, end - start];
    const mask = Float32Array.from({ length: queries * this.group * keys }, (_, i) => {
      const query = first + Math.floor(i / keys / this.group);
      return sees(query, start + (i % keys), this.attrs) ? 0 : HIDDEN;
    });
    if (mask.every((v) => v === 0)) return scores;
    const name = `causal_${queries}x${this.group}_${keys}_${first - start}_${this.attrs.window ?? "all"}`;
    return this.emit.value("Add", [scores, this.emit.table(name, mask, [queries * this.group, keys])]);
  }

  /** [batch, tokens], the document of each token, laid along queries and along keys. */
  documents(ids: string): Documents {
    const { emit, batch, tokens, group } = this;
    const column = emit.value("Reshape", [ids, emit.ints([batch, 1, tokens, 1])]);
    const each = emit.value("Expand", [column, emit.ints([batch, 1, tokens, group])]);
    return {
      ofQueries: emit.value("Reshape", [each, emit.ints([batch, 1, tokens * group, 1])]),
      ofKeys: column,
    };
  }

  #apart({ ofQueries, ofKeys }: Documents, block: Block): string {
    const { emit, batch } = this;
    const keys = emit.value("Reshape", [this.keys(ofKeys, block), emit.ints([batch, 1, 1, block.last - block.from])]);
    const same = emit.value("Equal", [this.queries(ofQueries, block), keys]);
    return emit.value("Where", [same, emit.floats([0], []), emit.floats([HIDDEN], [])]);
  }
}

export interface Documents {
  readonly ofQueries: string;
  readonly ofKeys: string;
}
