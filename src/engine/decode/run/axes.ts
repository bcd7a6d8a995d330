import type { Place } from "../../../models/state/lengths.ts";
import { placeOfId } from "./spans.ts";

/** A sequence's positions on three axes, as in `Place`. */
export type AxisPositions = Readonly<Record<keyof Pick<Place, "positions" | "height" | "width">, number[]>>;

/**
 * Positions of a sequence's tokens by time, height and width (M-RoPE: Wang et al. 2024, Qwen2-VL, section 2.1). Text
 * advances equally on all axes. An image's tokens share one time and have the row and column of their grid; the tokens
 * after it continue at the image's start plus the length of its longer side.
 */
export class Axes {
  readonly #time: number[] = [];
  readonly #height: number[] = [];
  readonly #width: number[] = [];
  /** The position of the first token after the prompt. */
  readonly #next: number;

  /** Ids below 0 stand for rows of images. */
  constructor(prompt: readonly number[]) {
    let next = 0;
    let start = 0;
    for (const id of prompt) {
      const place = id < 0 ? placeOfId(id) : undefined;
      if (!place) {
        this.#put(next, next, next);
        next++;
        continue;
      }
      const { row, column, grid } = place;
      if (row === 0 && column === 0) start = next;
      this.#put(start, start + row, start + column);
      next = start + Math.max(...grid);
    }
    this.#next = next;
  }

  #put(time: number, height: number, width: number): void {
    this.#time.push(time);
    this.#height.push(height);
    this.#width.push(width);
  }

  /** The positions of the tokens at these indices of the sequence. */
  at(places: readonly number[]): AxisPositions {
    const of = (axis: readonly number[]) => places.map((at) => axis[at] ?? this.#next + at - axis.length);
    return { positions: of(this.#time), height: of(this.#height), width: of(this.#width) };
  }
}
