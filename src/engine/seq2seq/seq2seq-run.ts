import { addSpent, evalCost, type Graph, type Spent } from "../../graph/index.ts";
import type { Seq2Seq } from "../../models/seq2seq/seq2seq.ts";
import { KvCache } from "../../models/state/cache.ts";
import { Buffer, type View } from "../../runtime/buffer.ts";
import { type BoundProgram, Program } from "../../runtime/program.ts";

/** The programs that compute keys and values from a text, and logits from these and the answer so far. */
export class Seq2SeqPrograms implements Disposable {
  private constructor(
    readonly source: Program,
    readonly decoder: Program,
  ) {}

  static async compile(graphs: readonly [source: Graph, decoder: Graph]): Promise<Seq2SeqPrograms> {
    const [source, decoder] = await Promise.all(graphs.map((graph) => Program.compile(graph)));
    return new Seq2SeqPrograms(source!, decoder!);
  }

  [Symbol.dispose](): void {
    this.source[Symbol.dispose]();
    this.decoder[Symbol.dispose]();
  }
}

/** One running text: its keys and values, the answer's cache, and the programs' bindings. */
export class Seq2SeqRun implements Disposable {
  readonly spent: Spent = { flops: 0, bytes: 0 };
  readonly #buffers: Buffer[] = [];
  readonly #cache: KvCache;
  readonly #layers: Readonly<Record<string, View>>;
  readonly #mask: View;
  readonly #ids: View;
  readonly #lengths: View;
  readonly #total: View;
  readonly #logits: View;
  readonly #step: BoundProgram;
  #past = 0;

  constructor(
    model: Seq2Seq,
    private readonly programs: Seq2SeqPrograms,
    private readonly text: readonly number[],
  ) {
    this.#cache = new KvCache(model.config);
    this.#layers = this.#layerViews(model);
    this.#mask = this.#view("i32", [1, text.length]);
    new Int32Array(this.#mask.buffer.memory).fill(1);
    this.#ids = this.#view("i64", [1, 1]);
    this.#lengths = this.#view("i32", [1]);
    this.#total = this.#view("i32", []);
    this.#logits = this.#view("f32", [1, 1, model.config.vocabulary]);
    this.#step = programs.decoder.bind({
      ...this.#layers,
      ...{ ids: this.#ids, mask: this.#mask, lengths: this.#lengths, total: this.#total, logits: this.#logits },
    });
  }

  /** Reads the text into keys and values. */
  async encode(): Promise<void> {
    const ids = this.#view("i64", [1, this.text.length]);
    new BigInt64Array(ids.buffer.memory).set(this.text.map(BigInt));
    await this.programs.source.bind({ ...this.#layers, ids, mask: this.#mask }).run();
    this.#bill(this.programs.source, { tokens: this.text.length, kept: this.text.length });
  }

  /** Logits [vocabulary] after the next token; the next step overwrites the memory. */
  async step(token: number): Promise<Float32Array> {
    new BigInt64Array(this.#ids.buffer.memory)[0] = BigInt(token);
    new Int32Array(this.#lengths.buffer.memory)[0] = this.#past;
    new Int32Array(this.#total.buffer.memory)[0] = this.#past + 1;
    await this.#step.run();
    this.#bill(this.programs.decoder, { tokens: 1, past: this.#past++, source: this.text.length });
    return new Float32Array(this.#logits.buffer.memory);
  }

  #bill({ cost }: Program, sizes: Readonly<Record<string, number>>): void {
    addSpent(this.spent, evalCost(cost, { batch: 1, ...sizes }));
  }

  #layerViews({ config: { layers, heads, headSize } }: Seq2Seq): Record<string, View> {
    const views: Record<string, View> = {};
    for (let l = 0; l < layers; l++) {
      const { key, value } = this.#cache.layer(l);
      for (const name of ["pastKey", "presentKey"]) views[name + l] = key;
      for (const name of ["pastValue", "presentValue"]) views[name + l] = value;
      for (const name of ["sourceKey", "sourceValue"])
        views[name + l] = this.#view("f32", [1, heads, this.text.length, headSize]);
    }
    return views;
  }

  #view(dtype: Buffer["dtype"], shape: readonly number[]): View {
    const buffer = new Buffer(
      dtype,
      shape.reduce((a, b) => a * b, 1),
    );
    this.#buffers.push(buffer);
    return buffer.view(shape);
  }

  [Symbol.dispose](): void {
    for (const held of [...this.#buffers, this.#cache]) held[Symbol.dispose]();
  }
}
