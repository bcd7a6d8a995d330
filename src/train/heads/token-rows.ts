import { addSpent, evalCost, type Spent } from "../../graph/index.ts";
import { Buffer } from "../../runtime/buffer.ts";
import type { HeadProgram } from "./objective.ts";

/** Buffers for up to `most` rows of the stream with their targets, for a language model's head. */
export class TokenRows implements Disposable {
  readonly #x: Buffer;
  /** The rows' gradients, written by a backward program. */
  readonly dx: Buffer;
  readonly #targets: Buffer;
  readonly #weights: Buffer;
  readonly #nats: Buffer;

  constructor(
    private readonly hidden: number,
    most: number,
  ) {
    [this.#x, this.dx] = [new Buffer("f32", most * hidden), new Buffer("f32", most * hidden)];
    this.#targets = new Buffer("i64", most);
    [this.#weights, this.#nats] = [new Buffer("f32", most), new Buffer("f32", most)];
  }

  /** Each row's share of the loss, a view of the buffer's own memory. */
  get weights(): Float32Array {
    return new Float32Array(this.#weights.memory);
  }

  /** Copies the stream's position `at` into row `i`, with the token to predict. */
  put(i: number, stream: Buffer, at: number, target: number): void {
    new BigInt64Array(this.#targets.memory)[i] = BigInt(target);
    this.#x.copy(i * this.hidden, stream, at * this.hidden, this.hidden);
  }

  /** Runs a program on the first `n` rows; returns their nats, a view of the buffer's own memory. */
  async run({ program, weights }: HeadProgram, n: number, spent: Spent): Promise<Float32Array> {
    const rows = { x: this.#x.view([1, n, this.hidden]), dx: this.dx.view([1, n, this.hidden]) };
    const each = { targets: this.#targets.view([1, n]), weights: this.#weights.view([1, n]) };
    await program.bind({ ...rows, ...each, nats: this.#nats.view([1, n]), ...weights }).run();
    addSpent(spent, evalCost(program.cost, { n }));
    return new Float32Array(this.#nats.memory, 0, n);
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#x, this.dx, this.#targets, this.#weights, this.#nats]) buffer[Symbol.dispose]();
  }
}
