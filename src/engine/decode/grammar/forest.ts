/** Bytes `from` to `to`, both included. */
export type Range = readonly [from: number, to: number];

/**
 * A set of texts, as bytes; `nullable`: it includes the empty text. A `Forest` creates them; sets that are built in the
 * same way are one object.
 */
export type Node = { readonly id: number; readonly nullable: boolean } & (
  | { readonly kind: "none" | "empty" }
  | { readonly kind: "bytes"; readonly ranges: readonly Range[] }
  | { readonly kind: "text"; readonly bytes: string }
  | { readonly kind: "seq"; readonly head: Node; readonly tail: Node }
  | { readonly kind: "alt"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly part: Node; readonly min: number; readonly max: number }
  | { readonly kind: "ref"; body: Node }
);
export type Ref = Extract<Node, { kind: "ref" }>;

/** Makes nodes. Equal nodes are one object: comparison is by identity. */
export class Forest {
  #last = 1;
  readonly none: Node = { kind: "none", id: 0, nullable: false };
  readonly empty: Node = { kind: "empty", id: 1, nullable: true };
  readonly #known = new Map<string, Node>();
  /** The number of steps left before the grammar counts as too large. */
  #budget = Number.POSITIVE_INFINITY;

  /** The number of nodes. */
  get size(): number {
    return this.#known.size;
  }

  /** Forgets stored nodes; nodes in use stay valid. */
  forget(): void {
    this.#known.clear();
  }

  /** Runs `work`, which may visit at most `most` nodes. @throws the error from `exhausted` if it needs more */
  within<T>(most: number, exhausted: () => Error, work: () => T): T {
    this.#budget = most;
    try {
      return work();
    } catch (error) {
      throw error === OVER ? exhausted() : error;
    } finally {
      this.#budget = Number.POSITIVE_INFINITY;
    }
  }

  bytes(ranges: readonly Range[]): Node {
    if (ranges.length === 0) return this.none;
    return this.#intern(`b${ranges.join()}`, (id) => ({ kind: "bytes", id, nullable: false, ranges }));
  }

  text(text: string): Node {
    return this.#text(Buffer.from(text).toString("latin1"));
  }

  /** `bytes` are characters up to U+00FF. */
  #text(bytes: string): Node {
    if (bytes === "") return this.empty;
    return this.#intern(`t${bytes}`, (id) => ({ kind: "text", id, nullable: false, bytes }));
  }

  seq(...parts: readonly Node[]): Node {
    return parts.reduceRight((tail, head) => this.#pair(head, tail), this.empty);
  }

  #pair(head: Node, tail: Node): Node {
    if (head.kind === "none" || tail.kind === "none") return this.none;
    if (head.kind === "empty") return tail;
    if (tail.kind === "empty") return head;
    if (head.kind === "seq") return this.#pair(head.head, this.#pair(head.tail, tail));
    const nullable = head.nullable && tail.nullable;
    return this.#intern(`s${head.id},${tail.id}`, (id) => ({ kind: "seq", id, nullable, head, tail }));
  }

  alt(parts: readonly Node[]): Node {
    const flat = parts.flatMap((part) => (part.kind === "alt" ? part.parts : part.kind === "none" ? [] : [part]));
    this.#spend(flat.length);
    const own = [...new Set(flat)].sort((a, b) => a.id - b.id);
    if (own.length < 2) return own[0] ?? this.none;
    const nullable = own.some((part) => part.nullable);
    return this.#intern(`a${own.map(({ id }) => id).join()}`, (id) => ({ kind: "alt", id, nullable, parts: own }));
  }

  repeat(part: Node, min: number, max: number = Number.POSITIVE_INFINITY): Node {
    if (max <= 0 || part.kind === "empty") return this.empty;
    if (part.kind === "none") return min > 0 ? this.none : this.empty;
    if (min === 1 && max === 1) return part;
    // An unbounded repeat of an unbounded repeat is the inner one: (a+)+ is a+.
    if (part.kind === "repeat" && part.max === Number.POSITIVE_INFINITY && part.min <= 1)
      return part.min === 0 ? part : this.repeat(part.part, min, part.max);
    const nullable = min <= 0 || part.nullable;
    return this.#intern(`r${part.id},${min},${max}`, (id) => ({ kind: "repeat", id, nullable, part, min, max }));
  }

  optional(part: Node): Node {
    return this.repeat(part, 0, 1);
  }

  /** A placeholder for a node that is set later and may contain itself; it never matches the empty text. */
  ref(): Ref {
    return { kind: "ref", id: ++this.#last, nullable: false, body: this.none };
  }

  /** The set of texts that follow `byte` in `node`: Brzozowski's derivative. */
  after(node: Node, byte: number): Node {
    this.#spend(1);
    switch (node.kind) {
      case "none":
      case "empty":
        return this.none;
      case "bytes":
        return node.ranges.some(([from, to]) => from <= byte && byte <= to) ? this.empty : this.none;
      case "text":
        return node.bytes.charCodeAt(0) === byte ? this.#text(node.bytes.slice(1)) : this.none;
      case "seq": {
        const rest = this.#pair(this.after(node.head, byte), node.tail);
        return node.head.nullable ? this.alt([rest, this.after(node.tail, byte)]) : rest;
      }
      case "alt":
        return this.alt(node.parts.map((part) => this.after(part, byte)));
      case "repeat":
        return this.#pair(this.after(node.part, byte), this.repeat(node.part, Math.max(0, node.min - 1), node.max - 1));
      case "ref":
        return this.after(node.body, byte);
    }
  }

  /** True if `node` matches `bytes`. */
  takes(node: Node, bytes: Uint8Array): boolean {
    return bytes.reduce((rest: Node, byte) => this.after(rest, byte), node).nullable;
  }

  #spend(steps: number): void {
    this.#budget -= steps;
    if (this.#budget < 0) throw OVER;
  }

  #intern(key: string, make: (id: number) => Node): Node {
    const known = this.#known.get(key);
    if (known) return known;
    const node = make(++this.#last);
    this.#known.set(key, node);
    return node;
  }
}

/** Thrown and caught inside a forest. */
const OVER = new Error("over budget");
