import { addSpent, evalCost, type Spent } from "../../graph/index.ts";
import { Buffer, type View } from "../../runtime/buffer.ts";
import type { Binding, Program } from "../../runtime/program.ts";
import type { CacheUse, Scorer } from "./denoise.ts";
import type { DenoiserPrograms } from "./denoiser-programs.ts";

/** One sequence of fixed length in a model that fills in masked tokens: its buffers, cache and bill. */
export class DenoiserRun implements Scorer, Disposable {
  readonly spent: Spent = { flops: 0, bytes: 0 };
  /** The number of forward passes so far. */
  passes = 0;
  readonly #ids: Buffer;
  readonly #first = new Buffer("i64", 1);
  readonly #at: Buffer;
  readonly #mask: Buffer;
  readonly #hidden: Buffer;
  readonly #logits: Buffer;
  /** Keys and values of each layer in turn; undefined until something is stored. */
  #cache: Buffer[] | undefined;

  constructor(
    private readonly programs: DenoiserPrograms,
    private readonly tokens: number,
    /** The maximum number of positions scored at once. */
    most: number,
  ) {
    const { hidden, vocabulary } = programs.decoder.config;
    [this.#ids, this.#at] = [new Buffer("i64", tokens), new Buffer("i64", most)];
    this.#mask = new Buffer("i32", tokens);
    [this.#hidden, this.#logits] = [new Buffer("f32", most * hidden), new Buffer("f32", most * vocabulary)];
    new Int32Array(this.#mask.memory).fill(1);
  }

  get vocabulary(): number {
    return this.programs.decoder.config.vocabulary;
  }

  /** A token's logits may be at the previous position, as in Dream; the first token's are then at position 0. */
  score(ids: Int32Array, places: readonly number[], cache?: CacheUse): Promise<Float32Array> {
    const { denoiser, vocabulary } = this.programs.decoder.config;
    const at = denoiser?.shifted ? places.map((place) => Math.max(0, place - 1)) : places;
    return this.#pass(ids, at, cache).then(() => new Float32Array(this.#logits.memory, 0, places.length * vocabulary));
  }

  /** Returns the last layer's normalised states [places, hidden]; the memory is valid until the next call. */
  async states(ids: Int32Array, places: readonly number[]): Promise<Float32Array> {
    await this.#pass(ids, places);
    return new Float32Array(this.#hidden.memory, 0, places.length * this.programs.decoder.config.hidden);
  }

  async #pass(ids: Int32Array, at: readonly number[], cache?: CacheUse): Promise<void> {
    const reads = cache !== undefined && "after" in cache && Math.min(...at) >= cache.after;
    const past = reads ? cache.after : 0;
    const kind = reads ? "read" : cache !== undefined && "keep" in cache && cache.keep > 0 ? "written" : "none";
    const program = await this.programs.of(kind);
    this.#write(ids, at, past);
    const layers = kind === "none" ? {} : this.#layers(kind, past);
    await program.bind({ ...this.#views(at.length, past), ...layers }).run();
    this.#bill(program, at.length, past);
  }

  #write(ids: Int32Array, at: readonly number[], past: number): void {
    new BigInt64Array(this.#ids.memory).set(Array.from(ids.subarray(past), BigInt));
    new BigInt64Array(this.#first.memory)[0] = BigInt(past);
    new BigInt64Array(this.#at.memory).set(at.map((place) => BigInt(place - past)));
  }

  #views(rows: number, past: number): Binding {
    const { hidden, vocabulary } = this.programs.decoder.config;
    return {
      ids: this.#ids.view([1, this.tokens - past]),
      mask: this.#mask.view([1, this.tokens]),
      first: this.#first.view([1]),
      at: this.#at.view([rows]),
      hidden: this.#hidden.view([1, rows, hidden]),
      logits: this.#logits.view([1, rows, vocabulary]),
    };
  }

  /** Binds the cache as outputs of a pass over all tokens, or its first `past` tokens as inputs of a later pass. */
  #layers(kind: "written" | "read", past: number): Record<string, View> {
    const { layers, heads, headSize } = this.programs.decoder.config;
    const width = heads * headSize;
    this.#cache ??= Array.from({ length: 2 * layers }, () => new Buffer("f32", this.tokens * width));
    const [names, rows] = kind === "written" ? [["key", "value"], this.tokens] : [["pastKey", "pastValue"], past];
    const named = this.#cache.map((buffer, i): [string, View] => [
      `${names[i % 2]!}${Math.floor(i / 2)}`,
      buffer.view([1, rows, width]),
    ]);
    return Object.fromEntries(named);
  }

  #bill({ cost }: Program, rows: number, past: number): void {
    this.passes++;
    addSpent(this.spent, evalCost(cost, { batch: 1, tokens: this.tokens - past, rows, past }));
  }

  [Symbol.dispose](): void {
    const all = [this.#ids, this.#first, this.#at, this.#mask, this.#hidden, this.#logits, ...(this.#cache ?? [])];
    for (const buffer of all) buffer[Symbol.dispose]();
  }
}
