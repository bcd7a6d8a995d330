import { StreamRows } from "./stream-rows.ts";

/** The tokens of a prompt that gather at a cut: their streams, and their positions in the prompt. */
export class Gathered extends StreamRows {
  constructor(
    public positions: readonly number[],
    hidden: number,
  ) {
    super(positions.length, hidden);
  }

  /** True once every token has arrived. */
  get complete(): boolean {
    return this.count === this.positions.length;
  }

  override keep(kept: ArrayLike<number>): void {
    super.keep(kept);
    this.positions = Array.from(kept, (i) => this.positions[i]!);
  }
}
