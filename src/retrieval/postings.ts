/**
 * Postings list the chunks that contain a term, with its count and the chunk's length in terms. 4,096 consecutive
 * chunks form a block. A term's postings in a block are one blob of little-endian 32-bit numbers, two for a chunk: the
 * first holds the chunk's place in the block (lower 16 bits) and the term's count (upper 16 bits), the second the
 * chunk's length.
 */
export const BLOCK = 4096;

const MOST_COUNTED = 0xffff;

const blockOf = (chunk: number): number => Math.floor(chunk / BLOCK);

/** A term's postings in one block. */
export interface PostingBlock {
  readonly block: number;
  readonly data: Uint8Array;
}

/** Collects new chunks' postings into blobs, by term and block. */
export class PostingWriter {
  readonly #terms = new Map<string, Map<number, number[]>>();

  /** `counts`: how often each term occurs in the chunk. `length`: the sum of the counts. */
  add(chunk: number, counts: ReadonlyMap<string, number>, length: number): void {
    const block = blockOf(chunk);
    for (const [term, count] of counts) {
      const blocks = this.#terms.get(term) ?? new Map<number, number[]>();
      this.#terms.set(term, blocks);
      const data = blocks.get(block) ?? [];
      blocks.set(block, data);
      data.push((chunk % BLOCK) + Math.min(count, MOST_COUNTED) * 0x10000, length);
    }
  }

  /** Yields the blobs sorted by term, which is fastest to write and avoids deadlocks. */
  *blobs(): Generator<PostingBlock & { readonly term: string }> {
    for (const term of [...this.#terms.keys()].sort())
      for (const [block, numbers] of this.#terms.get(term)!) yield { term, block, data: bytesOf(numbers) };
  }
}

const bytesOf = (numbers: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(numbers).buffer);

/** A blob's numbers; copied unless it is aligned to four bytes. */
export function numbersOf(data: Uint8Array): Uint32Array {
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

export const postingsIn = ({ data }: Pick<PostingBlock, "data">): number => data.byteLength / 8;

/** The blob without the chunks at these places of the block; undefined if no chunks remain. */
export function without(data: Uint8Array, places: ReadonlySet<number>): Uint8Array | undefined {
  const numbers = numbersOf(data);
  const remaining: number[] = [];
  for (let i = 0; i < numbers.length; i += 2)
    if (!places.has(numbers[i]! & 0xffff)) remaining.push(numbers[i]!, numbers[i + 1]!);
  return remaining.length === 0 ? undefined : bytesOf(remaining);
}

/** Collects the chunks to remove from postings, by term and block. */
export class PostingRemover {
  readonly #terms = new Map<string, Map<number, Set<number>>>();

  add(chunk: number, terms: Iterable<string>): void {
    const block = blockOf(chunk);
    for (const term of terms) {
      const blocks = this.#terms.get(term) ?? new Map<number, Set<number>>();
      this.#terms.set(term, blocks);
      const places = blocks.get(block) ?? new Set<number>();
      blocks.set(block, places);
      places.add(chunk % BLOCK);
    }
  }

  /** Yields the places to remove, sorted by term. */
  *places(): Generator<{ term: string; block: number; places: ReadonlySet<number> }> {
    for (const term of [...this.#terms.keys()].sort())
      for (const [block, places] of this.#terms.get(term)!) yield { term, block, places };
  }
}
