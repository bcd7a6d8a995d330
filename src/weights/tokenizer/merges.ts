/** The pairs of tokens that merge, and their order. */
export interface Merges {
  /** The index of the pair, or -1 if it does not merge; valid until the next call. */
  find(left: number, right: number): number;
  /** The pair's rank; the pair with the lowest rank merges first. */
  rank(slot: number): number;
  /** The token that the pair merges into. */
  joined(slot: number): number;
}

/**
 * Merges in a file's order, the highest priority first. Calls `missing` for a merge with a token outside `ids`, and
 * skips it.
 */
export function listedMerges(
  count: number,
  pair: (index: number) => readonly [string, string],
  ids: ReadonlyMap<string, number>,
  { prefix = "", missing }: { prefix?: string; missing: (token: string, index: number) => void },
): Merges {
  const table = new PairTable(count);
  for (let i = 0; i < count; i++) {
    const [left, right] = pair(i);
    const joined = left + (prefix !== "" && right.startsWith(prefix) ? right.slice(prefix.length) : right);
    const [a, b, c] = [ids.get(left), ids.get(right), ids.get(joined)];
    if (a !== undefined && b !== undefined && c !== undefined) table.set(a, b, i, c);
    else missing(a === undefined ? left : b === undefined ? right : joined, i);
  }
  return table;
}

const MOST_KNOWN = 1 << 20;

/**
 * Merges that are looked up by token text when a pair first occurs, because a file has half a million and a text needs
 * few.
 */
abstract class LearntMerges implements Merges {
  private known = new PairTable(1 << 12);
  private count = 0;

  constructor(
    protected readonly tokens: readonly string[],
    protected readonly ids: ReadonlyMap<string, number>,
  ) {}

  /** The rank of a pair that merges into `joined`; undefined if it does not merge. */
  protected abstract rankOf(joined: number, left: number, right: number): number | undefined;

  find(left: number, right: number): number {
    const slot = this.known.find(left, right);
    const found = slot >= 0 ? slot : this.learn(left, right);
    return this.known.joined(found) < 0 ? -1 : found;
  }

  rank = (slot: number): number => this.known.rank(slot);
  joined = (slot: number): number => this.known.joined(slot);

  private learn(left: number, right: number): number {
    if (this.count++ > MOST_KNOWN) {
      this.known = new PairTable(1 << 12);
      this.count = 0;
    }
    const joined = this.ids.get(this.tokens[left]! + this.tokens[right]!);
    const rank = joined === undefined ? undefined : this.rankOf(joined, left, right);
    return rank === undefined ? this.known.set(left, right, 0, -1) : this.known.set(left, right, rank, joined!);
  }
}

/** Merges in a GGUF's order, "left right", the highest priority first. */
export class WrittenMerges extends LearntMerges {
  private readonly ranks = new Map<string, number>();

  constructor(tokens: readonly string[], ids: ReadonlyMap<string, number>, merges: readonly string[]) {
    super(tokens, ids);
    for (let i = 0; i < merges.length; i++) this.ranks.set(merges[i]!, i);
  }

  protected override rankOf(_joined: number, left: number, right: number): number | undefined {
    return this.ranks.get(`${this.tokens[left]} ${this.tokens[right]}`);
  }
}

/**
 * Merges of a SentencePiece vocabulary, which lists none: two tokens merge if their joined text is a token; the pair
 * whose token has the highest score comes first. Ties are decided as in transformers' `generate_merges`
 * (tokenization_utils_base.py): the longer left part, then the longer right part, then the lower id.
 */
export class ScoredMerges extends LearntMerges {
  private readonly bases: Float64Array;
  private readonly lengths: Uint16Array;
  private readonly longest: number;

  constructor(tokens: readonly string[], ids: ReadonlyMap<string, number>, scores: ArrayLike<number>) {
    super(tokens, ids);
    this.lengths = Uint16Array.from(tokens, (token) => lengthOf(token));
    this.longest = this.lengths.reduce((a, b) => Math.max(a, b), 0) + 1;
    this.bases = this.ranked(scores);
  }

  protected override rankOf(joined: number, left: number, right: number): number {
    const { longest, lengths } = this;
    const shape = (longest - lengths[left]!) * longest + (longest - lengths[right]!);
    return this.bases[joined]! + shape * this.stride(joined);
  }

  /** The number of tokens with the same score as `id`: ties are decided by the parts' lengths, then by the id. */
  private stride = (id: number): number => this.ties.get(id) ?? 1;
  private readonly ties = new Map<number, number>();

  private ranked(scores: ArrayLike<number>): Float64Array {
    const order = Array.from(this.tokens, (_, id) => id).sort((a, b) => scores[b]! - scores[a]! || a - b);
    const bases = new Float64Array(order.length);
    const shapes = (this.longest + 1) ** 2;
    for (let from = 0, base = 0; from < order.length; ) {
      let to = from + 1;
      while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++;
      for (let i = from; i < to; i++) {
        bases[order[i]!] = base + i - from;
        if (to - from > 1) this.ties.set(order[i]!, to - from);
      }
      base += shapes * (to - from);
      from = to;
    }
    return bases;
  }
}

/** The length in code points, as in Python. */
function lengthOf(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) length++;
  return length;
}

/** Maps pairs of ids to a rank and an id, in a flat hash table, because a vocabulary has half a million pairs. */
class PairTable {
  private mask: number;
  private left: Int32Array;
  private right: Int32Array;
  private ranks: Float64Array;
  private joineds: Int32Array;
  private size = 0;

  constructor(expected: number) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, expected * 1.5)));
    this.mask = capacity - 1;
    this.left = new Int32Array(capacity).fill(-1);
    this.right = new Int32Array(capacity);
    this.ranks = new Float64Array(capacity);
    this.joineds = new Int32Array(capacity);
  }

  /** The index of the pair, or -1. */
  find(left: number, right: number): number {
    const slot = this.slot(left, right);
    return this.left[slot] === -1 ? -1 : slot;
  }

  rank(slot: number): number {
    return this.ranks[slot]!;
  }

  joined(slot: number): number {
    return this.joineds[slot]!;
  }

  /** Stores a pair; returns its index. */
  set(left: number, right: number, rank: number, joined: number): number {
    if (this.size * 4 > this.mask * 3) this.grow();
    const slot = this.slot(left, right);
    if (this.left[slot] === -1) this.size++;
    this.left[slot] = left;
    this.right[slot] = right;
    this.ranks[slot] = rank;
    this.joineds[slot] = joined;
    return slot;
  }

  private slot(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right + 1, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.mask;
    while (this.left[slot] !== -1 && (this.left[slot] !== left || this.right[slot] !== right))
      slot = (slot + 1) & this.mask;
    return slot;
  }

  private grow(): void {
    const wider = new PairTable(2 * this.size);
    this.left.forEach((left, i) => {
      if (left !== -1) wider.set(left, this.right[i]!, this.ranks[i]!, this.joineds[i]!);
    });
    Object.assign(this, { mask: wider.mask, left: wider.left, right: wider.right });
    Object.assign(this, { ranks: wider.ranks, joineds: wider.joineds });
  }
}
