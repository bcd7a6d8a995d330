import type { Place } from "../../../models/state/lengths.ts";
import { placeOfId } from "./spans.ts";

/** Positions on three axes of a sequence's tokens, as `Place` has them. */
export type AxisPositions = Readonly<Record<keyof Pick<Place, "positions" | "height" | "width">, number[]>>;

/**
 * Positions of a sequence's tokens by time, height and width (M-RoPE: Wang et al. 2024, Qwen2-VL, section 2.1). A text's
 * tokens count on alike on all axes; an image's stand still in time and have the row and column of its grid, and what
 * follows it comes after its longer side.
 */
export class Axes {
  readonly #time: number[] = [];
  readonly #height: number[] = [];
  readonly #width: number[] = [];
  /** The position of the first token behind the prompt. */
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

  /** The positions of the tokens at these places of the sequence. */
  at(places: readonly number[]): AxisPositions {
    const of = (axis: readonly number[]) => places.map((at) => axis[at] ?? this.#next + at - axis.length);
    return { positions: of(this.#time), height: of(this.#height), width: of(this.#width) };
  }
}
