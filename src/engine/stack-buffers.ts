import type { KvRows } from "../models/cache.ts";
import { pasts } from "../models/near.ts";
import type { DecoderPrograms } from "../models/programs.ts";
import { Buffer, type View } from "../runtime/buffer.ts";
import { isBrief, runChain } from "../runtime/chain.ts";
import type { Binding } from "../runtime/program.ts";
import { WindowChain } from "./window-chain.ts";

/** What one run of the stack covers: `tokens` new ones in each of the cache's rows, from the buffers' token `at` on. */
export interface Span {
  readonly cache: KvRows;
  readonly tokens: number;
  readonly at: number;
  /** Of `Lengths`. */
  readonly lengths: Binding;
}

/** What the stack gave for some tokens, as the head takes it: attended [rows, tokens, heads·headSize], residual [rows, tokens, hidden]. */
export type StackOutput = Readonly<Record<"attended" | "residual", View>>;

/** The stack bound to a span. */
export interface BoundStack extends Disposable {
  /** Runs it; layers with a window are bound from the token `start` on. */
  run(start: number): Promise<void>;
}

/** What the programs of the stack read and write besides the cache, for at most `capacity` tokens. */
export class StackBuffers implements Disposable {
  readonly #programs: DecoderPrograms;
  readonly #ids: Buffer;
  readonly #attended: Buffer;
  readonly #idsMemory: BigInt64Array;
  /** The stream between programs, which read one pair and write the other. */
  readonly #streams: readonly { branch: Buffer; residual: Buffer }[];
  readonly #chains = new Set<WindowChain>();

  constructor(programs: DecoderPrograms, capacity: number) {
    const { hidden, heads, headSize } = programs.decoder.config;
    const wide = (width: number) => new Buffer("f32", capacity * width);
    this.#programs = programs;
    this.#ids = new Buffer("i64", capacity);
    this.#idsMemory = new BigInt64Array(this.#ids.memory);
    this.#attended = wide(heads * headSize);
    this.#streams = [0, 1].map(() => ({ branch: wide(hidden), residual: wide(hidden) }));
  }

  /** Puts token `id` at `at`. */
  setId(at: number, id: number): void {
    this.#idsMemory[at] = BigInt(id);
  }

  /** What the stack gave for `rows` × `tokens` tokens from `at` on. */
  output(rows: number, tokens: number, at: number): StackOutput {
    const { heads, headSize } = this.#programs.decoder.config;
    const width = heads * headSize;
    const { residual } = this.#streams[this.#programs.stack.length % 2]!;
    return {
      attended: this.#attended.view([rows, tokens, width], at * width),
      residual: this.#wide(residual, rows, tokens, at),
    };
  }

  /** Binds the stack to a span, for as many runs as it serves, until it is disposed of. */
  bind(span: Span): BoundStack {
    const { stack, decoder } = this.#programs;
    const { cache, tokens, at, lengths } = span;
    const { attended } = this.output(cache.rows, tokens, at);
    const shared = { ids: this.#ids.view([cache.rows, tokens], at), attended };
    const chain = new WindowChain((start, views) => {
      const caches = Array.from({ length: decoder.config.layers }, (_, l) =>
        cacheBinding(cache.from(l, start, views), String(l)),
      );
      return stack.map((p, i) => p.bind(Object.assign({}, shared, lengths, this.#stream(span, i), ...caches)));
    });
    this.#chains.add(chain);
    const brief = stack.every((p) => isBrief(p, { batch: cache.rows, tokens, ...pasts(decoder.config, 0) }));
    return {
      run: (start) => runChain(chain.from(start), brief),
      [Symbol.dispose]: () => {
        this.#chains.delete(chain);
        chain[Symbol.dispose]();
      },
    };
  }

  #stream({ cache, tokens, at }: Span, index: number) {
    const view = (buffer: Buffer) => this.#wide(buffer, cache.rows, tokens, at);
    const [from, to] = [this.#streams[index % 2]!, this.#streams[(index + 1) % 2]!];
    return {
      branch: view(from.branch),
      residual: view(from.residual),
      branchOut: view(to.branch),
      residualOut: view(to.residual),
    };
  }

  #wide(buffer: Buffer, rows: number, tokens: number, at: number): View {
    const { hidden } = this.#programs.decoder.config;
    return buffer.view([rows, tokens, hidden], at * hidden);
  }

  [Symbol.dispose](): void {
    const streams = this.#streams.flatMap(({ branch, residual }) => [branch, residual]);
    for (const held of [this.#ids, this.#attended, ...streams, ...this.#chains]) held[Symbol.dispose]();
  }
}

/** A layer's cache as the inputs and outputs of its attention, whose names end in `suffix`: written in place. */
export function cacheBinding({ key, value }: { key: View; value: View }, suffix: string): Binding {
  const keys = { [`pastKey${suffix}`]: key, [`presentKey${suffix}`]: key };
  return { ...keys, [`pastValue${suffix}`]: value, [`presentValue${suffix}`]: value };
}
