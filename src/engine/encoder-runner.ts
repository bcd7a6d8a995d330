import { addSpent, evalCost, type Spent } from "../graph/index.ts";
import { Buffer, ViewSet } from "../runtime/buffer.ts";
import type { Program } from "../runtime/program.ts";
import type { Input } from "../weights/tokenizer/index.ts";
import { type Batch, batchesOf } from "./encoder-batches.ts";

/** What batches that ran cost, padding included, and the tokens of their texts. */
export interface Encoded extends Spent {
  tokens: number;
}

/** A program from `ids`, `mask`, `types` to one output [batch, width]. */
export interface RowProgram {
  readonly program: Program;
  readonly width: number;
  /** Kinds of token that the model tells apart; 0: it takes none. */
  readonly types: number;
}

/** One row of outputs for each text, in their order; they run in batches of about equal length, each added to `bill`. `signal` stops between batches. */
export async function runRows(
  of: RowProgram,
  inputs: readonly Input[],
  bill: Encoded,
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const batches = batchesOf(inputs.map(({ ids }) => ids.length));
  using buffers = new BatchBuffers(of, batches);
  const rows = new Array<Float32Array>(inputs.length);
  for (const batch of batches) {
    signal?.throwIfAborted();
    for (const [i, row] of (await buffers.run(batch, inputs)).entries()) rows[batch.texts[i]!] = row;
    addSpent(bill, evalCost(of.program.cost, { batch: batch.texts.length, tokens: batch.tokens }));
    for (const text of batch.texts) bill.tokens += inputs[text]!.ids.length;
  }
  return rows;
}

/** One call's own memory, large enough for each of its batches, so that calls may overlap. */
class BatchBuffers implements Disposable {
  readonly #ids: Buffer;
  readonly #mask: Buffer;
  readonly #types: Buffer;
  readonly #out: Buffer;

  constructor(
    private readonly of: RowProgram,
    batches: readonly Batch[],
  ) {
    const most = (count: (batch: Batch) => number) => Math.max(1, ...batches.map(count));
    const tokens = most((b) => b.texts.length * b.tokens);
    this.#ids = new Buffer("i64", tokens);
    this.#mask = new Buffer("i32", tokens);
    this.#types = new Buffer("i64", tokens);
    this.#out = new Buffer("f32", most((b) => b.texts.length) * of.width);
  }

  async run({ texts, tokens }: Batch, inputs: readonly Input[]): Promise<Float32Array[]> {
    const { program, width } = this.of;
    this.#fill(
      texts.map((text) => inputs[text]!),
      tokens,
    );
    using views = new ViewSet();
    const of = (buffer: Buffer) => views.of(buffer, [texts.length, tokens], 0);
    const output = views.of(this.#out, [texts.length, width], 0);
    const names = { ids: of(this.#ids), mask: of(this.#mask), types: of(this.#types), [program.outputs[0]!]: output };
    await program.bind(names).run();
    const out = new Float32Array(this.#out.memory);
    return texts.map((_, i) => out.slice(i * width, (i + 1) * width));
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
