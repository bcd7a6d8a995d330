import { setImmediate } from "node:timers/promises";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";

/**
 * The text tokens, as a tree of their bytes in depth-first order: node `i` adds `bytes[i]` at depth `depths[i]`,
 * `ends[i]` is the first node that is not a descendant, and `tokens[i]` is the id of the token that ends there, or -1.
 */
export interface Vocabulary {
  readonly bytes: Uint8Array;
  readonly depths: Uint16Array;
  readonly ends: Int32Array;
  readonly tokens: Int32Array;
  /** Other ids with the same bytes, keyed by the first id. */
  readonly twins: ReadonlyMap<number, readonly number[]>;
  /** Greater than every id. */
  readonly size: number;
  readonly stops: ReadonlySet<number>;
  bytesOf(id: number): Uint8Array;
}

const vocabularies = new WeakMap<Tokenizer, Promise<Vocabulary>>();

/** The tokenizer's vocabulary, built on first use. */
export function vocabularyOf(tokenizer: Tokenizer): Promise<Vocabulary> {
  const known = vocabularies.get(tokenizer) ?? make(tokenizer);
  vocabularies.set(tokenizer, known);
  return known;
}

/** Milliseconds between yields to the event loop. */
const TURN = 15;

async function make(tokenizer: Tokenizer): Promise<Vocabulary> {
  const turn = turns();
  const byFirst = Array.from({ length: 256 }, (): Token[] => []);
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (id % 256 === 0) await turn();
    if (tokenizer.isSpecial(id) || tokenizer.stopIds.has(id)) continue;
    const bytes = tokenizer.bytes(id);
    if (bytes.length > 0) byFirst[bytes[0]!]!.push({ id, bytes: Buffer.from(bytes) });
  }
  const tree = new Tree();
  for (const tokens of byFirst) {
    await turn();
    for (const token of tokens.sort((a, b) => Buffer.compare(a.bytes, b.bytes))) tree.add(token);
  }
  const bytesOf = (id: number) => tokenizer.bytes(id);
  return { ...tree.done(), size: tokenizer.vocabSize, stops: tokenizer.stopIds, bytesOf };
}

function turns(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < TURN) return;
    await setImmediate();
    since = performance.now();
  };
}

interface Token {
  readonly id: number;
  readonly bytes: Buffer;
}

/** Builds the tree from tokens, which must arrive in byte order. */
class Tree {
  readonly #bytes: number[] = [];
  readonly #depths: number[] = [];
  readonly #ends: number[] = [];
  readonly #tokens: number[] = [];
  readonly #twins = new Map<number, number[]>();
  /** Nodes from the root to the last token. */
  #path: number[] = [];
  #last: Buffer = Buffer.alloc(0);

  add({ id, bytes }: Token): void {
    const shared = sharedLength(this.#last, bytes);
    this.#close(shared);
    for (let depth = shared; depth < bytes.length; depth++) {
      this.#path.push(this.#bytes.length);
      this.#bytes.push(bytes[depth]!);
      this.#depths.push(depth);
      this.#tokens.push(-1);
    }
    this.#end(id);
    this.#last = bytes;
  }

  #end(id: number): void {
    const node = this.#path.at(-1)!;
    const first = this.#tokens[node]!;
    if (first < 0) this.#tokens[node] = id;
    else this.#twins.set(first, [...(this.#twins.get(first) ?? []), id]);
  }

  #close(depth: number): void {
    for (const node of this.#path.splice(depth)) this.#ends[node] = this.#bytes.length;
  }

  done(): Pick<Vocabulary, "bytes" | "depths" | "ends" | "tokens" | "twins"> {
    this.#close(0);
    return {
      bytes: Uint8Array.from(this.#bytes),
      depths: Uint16Array.from(this.#depths),
      ends: Int32Array.from(this.#ends),
      tokens: Int32Array.from(this.#tokens),
      twins: this.#twins,
    };
  }
}

function sharedLength(a: Buffer, b: Buffer): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
