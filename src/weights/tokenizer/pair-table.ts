/** A hash table from pairs of ids to a rank and an id, in flat arrays: a vocabulary has half a million of them. */
export class PairTable {
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

  /** Returns the pair's index. */
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
