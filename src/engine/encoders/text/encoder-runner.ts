import type { Graph } from "../../../graph/graph.ts";
import type { Bindings, Spent } from "../../../graph/index.ts";
import type { Cost } from "../../../graph/op.ts";
import { Buffer, ViewSet } from "../../../runtime/buffer.ts";
import { mapsFiles } from "../../../runtime/mapped-file.ts";
import { environment } from "../../../runtime/ort/environment.ts";
import { Program } from "../../../runtime/program.ts";
import { SharedWeights } from "../../../runtime/shared-weights.ts";
import type { Input } from "../../../weights/tokenizer/index.ts";
import { sharesOf } from "./encoder-batches.ts";

/** The programs that run batches, from `ids`, `mask`, `types` to one output [batch, width]. */
export class RowPrograms implements Disposable {
  private constructor(
    /** Runs on all threads of the process. */
    readonly whole: Program,
    /** Runs on one thread, with several runs in parallel: faster overall, because no thread waits for another. */
    readonly lane: Program | undefined,
  ) {}

  static async compile(graph: Graph): Promise<RowPrograms> {
    if (!mapsFiles || environment().threads === 1) return new RowPrograms(await Program.compile(graph), undefined);
    using shared = new SharedWeights();
    const whole = await Program.compile(graph, "shared", shared);
    try {
      return new RowPrograms(whole, await Program.compile(graph, "caller", shared));
    } catch (error) {
      whole[Symbol.dispose]();
      throw error;
    } finally {
      shared.settle();
    }
  }

  [Symbol.dispose](): void {
    this.whole[Symbol.dispose]();
    this.lane?.[Symbol.dispose]();
  }
}

/** The inputs and outputs of an encoder's programs. */
export interface RowShape {
  readonly width: number;
  /** True if a row has `width` numbers for each of its text's tokens, and the program reads `seen`. */
  readonly byToken?: boolean;
  /** The number of token types; 0 if the model does not use them. */
  readonly types: number;
}

/** Runs batches of texts, one at a time in each of its lanes, and reuses their memory. */
export class RowRunner implements Disposable {
  readonly #buffers: BatchBuffers[] = [];

  constructor(
    private readonly programs: RowPrograms,
    private readonly shape: RowShape,
  ) {}

  /** The number of batches that may run side by side. */
  get lanes(): number {
    return this.programs.lane ? environment().threads : 1;
  }

  /** The cost of one batch. */
  get cost(): Cost {
    return this.programs.whole.cost;
  }

  /**
   * One row of outputs for each text, in order, and its cost; attention pads each text to `tokens`. `alone`: no other
   * lane has work, so it may use all threads.
   */
  async run(
    inputs: readonly Input[],
    tokens: number,
    lane = 0,
    alone = true,
  ): Promise<{ rows: Float32Array[]; shares: Spent[] }> {
    const sizes = { batch: inputs.length, tokens };
    const { whole, lane: single = whole } = this.programs;
    const rows = await this.#buffersFor(lane, sizes).run(alone ? whole : single, inputs, tokens);
    return { rows, shares: sharesOf(this.cost, inputs.map(({ ids }) => ids.length), tokens) }; // biome-ignore format: one line
  }

  #buffersFor(lane: number, sizes: { batch: number; tokens: number } & Bindings): BatchBuffers {
    const [tokens, rows] = [sizes.batch * sizes.tokens, sizes.batch];
    const has = this.#buffers[lane];
    if (has && has.tokens >= tokens && has.rows >= rows) return has;
    has?.[Symbol.dispose]();
    const buffers = new BatchBuffers(this.shape, Math.max(tokens, has?.tokens ?? 0), Math.max(rows, has?.rows ?? 0));
    this.#buffers[lane] = buffers;
    return buffers;
  }

  [Symbol.dispose](): void {
    for (const held of [...this.#buffers, this.programs]) held?.[Symbol.dispose]();
  }
}

/** Memory for the inputs and outputs of a batch: at most `tokens` tokens in total, in at most `rows` rows. */
class BatchBuffers implements Disposable {
  readonly #ids: Buffer;
  readonly #mask: Buffer;
  readonly #types: Buffer;
  readonly #seen: Buffer | undefined;
  readonly #out: Buffer;

  constructor(
    private readonly shape: RowShape,
    readonly tokens: number,
    readonly rows: number,
  ) {
    this.#ids = new Buffer("i64", tokens);
    this.#mask = new Buffer("i32", tokens);
    this.#types = new Buffer("i64", tokens);
    this.#seen = shape.byToken ? new Buffer("i32", tokens) : undefined;
    this.#out = new Buffer("f32", (shape.byToken ? tokens : rows) * shape.width);
  }

  async run(program: Program, inputs: readonly Input[], tokens: number): Promise<Float32Array[]> {
    const { width, byToken } = this.shape;
    this.#fill(inputs, tokens);
    using views = new ViewSet();
    const of = (buffer: Buffer) => views.of(buffer, [inputs.length, tokens], 0);
    const output = views.of(this.#out, byToken ? [inputs.length, tokens, width] : [inputs.length, width], 0);
    const names = { ids: of(this.#ids), mask: of(this.#mask), types: of(this.#types), [program.outputs[0]!]: output };
    await program.bind({ ...names, ...(this.#seen && { seen: of(this.#seen) }) }).run();
    const out = new Float32Array(this.#out.memory);
    if (!byToken) return inputs.map((_, i) => out.slice(i * width, (i + 1) * width));
    return inputs.map(({ ids }, i) => out.slice(i * tokens * width, (i * tokens + ids.length) * width));
  }

  #fill(inputs: readonly Input[], tokens: number): void {
    const [ids, types] = [this.#ids, this.#types].map((b) => new BigInt64Array(b.memory).fill(0n));
    const mask = new Int32Array(this.#mask.memory).fill(0);
    const seen = this.#seen && new Int32Array(this.#seen.memory).fill(0);
    // A RoBERTa has one token type, whatever its tokenizer's file specifies for pairs.
    const last = Math.max(0, this.shape.types - 1);
    for (const [row, input] of inputs.entries())
      for (let t = 0, at = row * tokens; t < input.ids.length; t++, at++) {
        ids![at] = BigInt(input.ids[t]!);
        types![at] = BigInt(Math.min(input.types[t]!, last));
        mask[at] = 1;
        if (seen) seen[at] = Number(t < (input.seen ?? input.ids.length));
      }
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#ids, this.#mask, this.#types, this.#seen, this.#out]) buffer?.[Symbol.dispose]();
  }
}
