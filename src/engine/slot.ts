import { evalCost } from "../graph/index.ts";
import { KvCache } from "../models/cache.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import { Buffer, type View } from "../runtime/buffer.ts";
import { runChain } from "../runtime/chain.ts";
import type { BoundProgram, Program } from "../runtime/program.ts";

/** Tokens of a prompt that run at once: wide enough for the matrix products, narrow enough for attention's scratch. */
export const PREFILL_CHUNK = 256;

/** A program that moves and computes less than this takes a few milliseconds, on whatever core. */
const BRIEF = { bytes: 32e6, flops: 1e8 };

interface BoundStack {
  readonly programs: readonly BoundProgram[];
  readonly brief: boolean;
}

/** One sequence's place in the engine: its cache and the buffers its programs are bound to. */
export class Slot implements Disposable {
  /** Tokens whose keys and values are in the cache. */
  tokens: number[] = [];
  busy = false;
  readonly cache: KvCache;
  readonly #programs: DecoderPrograms;
  readonly #ids = new Buffer("i64", PREFILL_CHUNK);
  readonly #lengths = new Buffer("i32", 1);
  readonly #total = new Buffer("i32", 1);
  readonly #hidden: Buffer;
  readonly #logits: Buffer;
  readonly #idsMemory = new BigInt64Array(this.#ids.memory);
  readonly #lengthsMemory = new Int32Array(this.#lengths.memory);
  readonly #totalMemory = new Int32Array(this.#total.memory);
  readonly #logitsMemory: Float32Array;
  /** The stream between programs, which read one pair and write the other. */
  readonly #streams: readonly { branch: Buffer; residual: Buffer }[];
  readonly #stacks = new Map<number, BoundStack>();
  readonly #heads = new Map<number, BoundProgram>();

  constructor(programs: DecoderPrograms) {
    const { config } = programs.decoder;
    this.#programs = programs;
    this.cache = new KvCache(config);
    const wide = () => new Buffer("f32", PREFILL_CHUNK * config.hidden);
    this.#hidden = wide();
    this.#streams = [0, 1].map(() => ({ branch: wide(), residual: wide() }));
    this.#logits = new Buffer("f32", config.vocabulary);
    this.#logitsMemory = new Float32Array(this.#logits.memory);
  }

  /** Runs the whole stack over the next tokens, at most PREFILL_CHUNK of them. */
  async extend(tokens: readonly number[]): Promise<void> {
    for (const [i, id] of tokens.entries()) this.#idsMemory[i] = BigInt(id);
    this.setLength(tokens.length);
    const { programs, brief } = this.#boundStack(tokens.length);
    await runChain(programs, brief);
    this.tokens.push(...tokens);
  }

  /** Logits [vocabulary] of the last token of the last `tokens` run. The memory is overwritten by the next call. */
  async logits(tokens: number, row = tokens - 1): Promise<Float32Array> {
    await this.#boundHead(row).run();
    return this.#logitsMemory;
  }

  /** Logits of one row, [1, 1, hidden], that another program left in `hidden`. */
  async logitsOf(hidden: View): Promise<Float32Array> {
    await this.#programs.head.bind({ hidden, logits: this.#logitsView() }).run();
    return this.#logitsMemory;
  }

  #logitsView(): View {
    return this.#logits.view([1, 1, this.#programs.decoder.config.vocabulary]);
  }

  /** Puts the cache's length after the next `tokens` tokens where programs are bound to. */
  setLength(tokens: number): void {
    const total = this.tokens.length + tokens;
    this.#lengthsMemory[0] = total - 1;
    this.#totalMemory[0] = total;
  }

  /** The views that `setLength` writes to. */
  lengths() {
    return { lengths: this.#lengths.view([1]), total: this.#total.view([]) };
  }

  hidden(tokens: number, row = 0) {
    const { hidden } = this.#programs.decoder.config;
    return this.#hidden.view([1, tokens, hidden], row * hidden);
  }

  /** Cuts the cache back to its first `length` tokens. */
  truncate(length: number): void {
    this.tokens.length = Math.min(this.tokens.length, length);
  }

  #boundStack(tokens: number): BoundStack {
    const known = this.#stacks.get(tokens) ?? this.#bindStack(tokens);
    this.#stacks.set(tokens, known);
    return known;
  }

  #bindStack(tokens: number): BoundStack {
    const { stack, decoder } = this.#programs;
    const caches = Array.from({ length: decoder.config.layers }, (_, l) => {
      const { key, value } = this.cache.layer(l);
      return { [`pastKey${l}`]: key, [`presentKey${l}`]: key, [`pastValue${l}`]: value, [`presentValue${l}`]: value };
    });
    const shared = { ids: this.#ids.view([1, tokens]), ...this.lengths(), hidden: this.hidden(tokens) };
    const programs = stack.map((p, i) => p.bind(Object.assign({}, shared, this.#stream(tokens, i), ...caches)));
    return { programs, brief: stack.every((p) => isBrief(p, tokens)) };
  }

  #stream(tokens: number, index: number) {
    const shape = [1, tokens, this.#programs.decoder.config.hidden];
    const [from, to] = [this.#streams[index % 2]!, this.#streams[(index + 1) % 2]!];
    return {
      branch: from.branch.view(shape),
      residual: from.residual.view(shape),
      branchOut: to.branch.view(shape),
      residualOut: to.residual.view(shape),
    };
  }

  #boundHead(row: number): BoundProgram {
    const bind = () => this.#programs.head.bind({ hidden: this.hidden(1, row), logits: this.#logitsView() });
    const known = this.#heads.get(row) ?? bind();
    this.#heads.set(row, known);
    return known;
  }

  [Symbol.dispose](): void {
    this.cache[Symbol.dispose]();
    const streams = this.#streams.flatMap(({ branch, residual }) => [branch, residual]);
    for (const buffer of [this.#ids, this.#lengths, this.#total, this.#hidden, this.#logits, ...streams])
      buffer[Symbol.dispose]();
  }
}

function isBrief(program: Program, tokens: number): boolean {
  const { bytes, flops } = evalCost(program.cost, { batch: 1, tokens, past: 0 });
  return bytes < BRIEF.bytes && flops < BRIEF.flops;
}
