import { Buffer } from "../../runtime/buffer.ts";
import { PREFILL_CHUNK } from "./chunk.ts";

const sides = ["branch", "residual"] as const;
type Streams = Readonly<Record<(typeof sides)[number], Buffer>>;

/** Streams, at a cut, of a row's last tokens that have not gone deeper: deeper layers may come to need them. */
export class Missed implements Disposable {
  readonly #streams: Streams;
  count = 0;

  constructor(private readonly hidden: number) {
    const wide = () => new Buffer("f32", PREFILL_CHUNK * hidden);
    this.#streams = { branch: wide(), residual: wide() };
  }

  /** Adds the stream that is number `row` of those in the buffers. */
  add(from: Streams, row: number): void {
    const { hidden } = this;
    for (const side of sides) this.#streams[side].copy(this.count * hidden, from[side], row * hidden, hidden);
    this.count++;
  }

  /** Writes all to the beginning of other streams, and holds none. */
  give(to: Streams): void {
    for (const side of sides) to[side].copy(0, this.#streams[side], 0, this.count * this.hidden);
    this.count = 0;
  }

  [Symbol.dispose](): void {
    for (const side of sides) this.#streams[side][Symbol.dispose]();
  }
}
