/** A chunk and its score for a query. */
export interface Hit {
  readonly chunk: number;
  readonly score: number;
}

/** Orders hits by score, the best first; among equal scores, the older chunk comes first. */
export const byScore = (a: Hit, b: Hit): number => b.score - a.score || a.chunk - b.chunk;

/** Keeps the best of many hits: a heap with the worst at its root. */
export class Top<T extends Hit = Hit> {
  readonly #heap: T[] = [];

  constructor(private readonly most: number) {}

  /** The least score that may still enter; hits with lower scores need not be offered. */
  get least(): number {
    return this.#heap.length < this.most ? Number.NEGATIVE_INFINITY : this.#heap[0]!.score;
  }

  offer(hit: T): void {
    const heap = this.#heap;
    if (heap.length < this.most) {
      heap.push(hit);
      this.#up(heap.length - 1);
    } else if (byScore(hit, heap[0]!) < 0) {
      heap[0] = hit;
      this.#down();
    }
  }

  /** The hits, best first. */
  sorted(): T[] {
    return this.#heap.toSorted(byScore);
  }

  #up(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#swap(parent, at)) return;
      at = parent;
    }
  }

  #down(): void {
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      if (left >= this.#heap.length) return;
      const worse = right < this.#heap.length && byScore(this.#heap[right]!, this.#heap[left]!) > 0 ? right : left;
      if (!this.#swap(at, worse)) return;
      at = worse;
    }
  }

  /** Exchanges a parent and its child if the child is worse. */
  #swap(parent: number, child: number): boolean {
    const [a, b] = [this.#heap[parent]!, this.#heap[child]!];
    if (byScore(b, a) <= 0) return false;
    this.#heap[parent] = b;
    this.#heap[child] = a;
    return true;
  }
}
