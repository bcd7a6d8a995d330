import { type Bindings, evalCost, type Spent } from "../graph/index.ts";
import type { Cost } from "../graph/op.ts";
import { Buffer, ViewSet } from "../runtime/buffer.ts";
import type { Program } from "../runtime/program.ts";
import type { Input } from "../weights/tokenizer/index.ts";

/** A program from `ids`, `mask`, `types` to one output [batch, width]. */
export interface RowProgram {
  readonly program: Program;
  readonly width: number;
  /** Kinds of token that the model tells apart; 0: it takes none. */
  readonly types: number;
}

/** Runs batches of texts, one at a time, in memory that is kept for the next. */
export class RowRunner implements Disposable {
  #buffers: BatchBuffers | undefined;

  constructor(private readonly of: RowProgram) {}

  /** Of a batch. */
  get cost(): Cost {
    return this.of.program.cost;
  }

  /** One row of outputs for each text, in their order, each padded to `tokens`; and what each costs, its share of the batch. */
  async run(inputs: readonly Input[], tokens: number): Promise<{ rows: Float32Array[]; share: Spent }> {
    const sizes = { batch: inputs.length, tokens };
    const rows = await this.#buffersFor(sizes).run(inputs, tokens);
    const { flops, bytes } = evalCost(this.cost, sizes);
    return { rows, share: { flops: flops / inputs.length, bytes: bytes / inputs.length } };
  }

  #buffersFor(sizes: { batch: number; tokens: number } & Bindings): BatchBuffers {
    const [tokens, rows] = [sizes.batch * sizes.tokens, sizes.batch];
    const has = this.#buffers;
    if (has && has.tokens >= tokens && has.rows >= rows) return has;
    has?.[Symbol.dispose]();
    this.#buffers = new BatchBuffers(this.of, Math.max(tokens, has?.tokens ?? 0), Math.max(rows, has?.rows ?? 0));
    return this.#buffers;
  }

  [Symbol.dispose](): void {
    this.#buffers?.[Symbol.dispose]();
    this.of.program[Symbol.dispose]();
  }
}

/** Memory for a batch of so many tokens in all, and rows. */
class BatchBuffers implements Disposable {
  readonly #ids: Buffer;
  readonly #mask: Buffer;
  readonly #types: Buffer;
  readonly #out: Buffer;

  constructor(
    private readonly of: RowProgram,
    readonly tokens: number,
    readonly rows: number,
  ) {
    this.#ids = new Buffer("i64", tokens);
    this.#mask = new Buffer("i32", tokens);
    this.#types = new Buffer("i64", tokens);
    this.#out = new Buffer("f32", rows * of.width);
  }

  async run(inputs: readonly Input[], tokens: number): Promise<Float32Array[]> {
    const { program, width } = this.of;
    this.#fill(inputs, tokens);
    using views = new ViewSet();
    const of = (buffer: Buffer) => views.of(buffer, [inputs.length, tokens], 0);
    const output = views.of(this.#out, [inputs.length, width], 0);
    const names = { ids: of(this.#ids), mask: of(this.#mask), types: of(this.#types), [program.outputs[0]!]: output };
    await program.bind(names).run();
    const out = new Float32Array(this.#out.memory);
    return inputs.map((_, i) => out.slice(i * width, (i + 1) * width));
  }

  #fill(inputs: readonly Input[], tokens: number): void {
    const [ids, types] = [this.#ids, this.#types].map((b) => new BigInt64Array(b.memory).fill(0n));
    const mask = new Int32Array(this.#mask.memory).fill(0);
    // A RoBERTa has one kind of token, whatever its tokenizer's file says of pairs.
    const last = Math.max(0, this.of.types - 1);
    for (const [row, input] of inputs.entries())
      for (let t = 0, at = row * tokens; t < input.ids.length; t++, at++) {
        ids![at] = BigInt(input.ids[t]!);
        types![at] = BigInt(Math.min(input.types[t]!, last));
        mask[at] = 1;
      }
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#ids, this.#mask, this.#types, this.#out]) buffer[Symbol.dispose]();
  }
}
