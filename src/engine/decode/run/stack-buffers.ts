import { attendedWidth, attends, inputWidth, isRecurrent, qkvWidth, widest } from "../../../models/decoder/decoder.ts";
import type { DecoderPrograms, Segment } from "../../../models/programs/programs.ts";
import type { KvRows } from "../../../models/state/cache.ts";
import { pastSizes } from "../../../models/state/window-start.ts";
import { type Bindable, Buffer, type View, ViewSet } from "../../../runtime/buffer.ts";
import { isBrief, runChain } from "../../../runtime/chain.ts";
import type { Binding, BoundProgram } from "../../../runtime/program.ts";
import type { StreamMemory } from "./stream-rows.ts";

/** Tokens of a run: `tokens` new ones in each of `rows` rows, starting at the buffers' token `at`. */
export interface Span {
  readonly rows: number;
  readonly tokens: number;
  readonly at: number;
}

/** The residual stream of a span, [rows, tokens, hidden] each, in the form for segments, the head and probes. */
export type Stream = Readonly<Record<"branch" | "residual", View>>;

/** Programs bound to a span, in order. */
export interface BoundStack extends Disposable {
  /** Runs the programs; layers with a window are bound from token `start` on. */
  run(start: number): Promise<void>;
}

/** The buffers for segments. */
interface Binds {
  /** The number of segments run before these segments. */
  readonly done: number;
  readonly span: Span;
  readonly cache: KvRows;
  /** Views from `Lengths`. */
  readonly lengths: Binding;
  /** Programs that run before the segments. */
  readonly first?: readonly BoundProgram[];
  /**
   * The number of tokens that attend separately and write the cache one after another; if absent, they attend together.
   */
  readonly apart?: number;
}

/** The inputs and outputs of the stack's programs, except the cache, for at most `capacity` tokens. */
export class StackBuffers implements Disposable {
  readonly #programs: DecoderPrograms;
  readonly #ids: Buffer;
  readonly #idsMemory: BigInt64Array;
  readonly #attended: Buffer;
  /** Extra inputs used with attention's result: pieces around attention read one buffer and write the other. */
  readonly #besides: readonly Buffer[];
  /** Buffers for the output projection's second input, used like `#besides`; empty if there is no second input. */
  readonly #routes: readonly Buffer[];
  /** The layers' own inputs, [capacity, layers · layerInput]; undefined if layers have none. */
  readonly #inputs: Buffer | undefined;
  /** The residual stream between segments, which read one pair and write the other. */
  readonly #streams: readonly { branch: Buffer; residual: Buffer }[];
  readonly #chains = new Set<WindowChain>();
  #qkv: Buffer | undefined;

  constructor(
    programs: DecoderPrograms,
    readonly capacity: number,
  ) {
    const { config } = programs.decoder;
    const { hidden, beside } = config;
    const inputs = inputWidth(config);
    const wide = (width: number) => new Buffer("f32", capacity * width);
    this.#programs = programs;
    this.#ids = new Buffer("i64", capacity);
    this.#idsMemory = new BigInt64Array(this.#ids.memory);
    this.#attended = wide(widest(config, attendedWidth));
    this.#besides = [wide(hidden), wide(hidden)];
    this.#routes = beside === undefined ? [] : [wide(beside), wide(beside)];
    this.#inputs = inputs > 0 ? wide(inputs) : undefined;
    this.#streams = [0, 1].map(() => ({ branch: wide(hidden), residual: wide(hidden) }));
  }

  /** Sets the token at `at` to `id`. */
  setId(at: number, id: number): void {
    this.#idsMemory[at] = BigInt(id);
  }

  /** The embedding's inputs and outputs, bound to a span. */
  entry(span: Span): Binding {
    const ids = this.#ids.view([span.rows, span.tokens], span.at);
    return { ids, ...this.streamOut(0, span), ...this.#inputViews(span) };
  }

  #inputViews({ rows, tokens, at }: Span): Binding {
    if (!this.#inputs) return {};
    const width = inputWidth(this.#programs.decoder.config);
    return { layerInputs: this.#inputs.view([rows, tokens, width], at * width) };
  }

  /** [capacity · (heads + 2·kvHeads)·headSize] for the widest layer, allocated on first use. */
  get qkv(): Buffer {
    this.#qkv ??= new Buffer("f32", this.capacity * widest(this.#programs.decoder.config, qkvWidth));
    return this.#qkv;
  }

  get attended(): Buffer {
    return this.#attended;
  }

  /** The residual stream after an even or odd number of segments. */
  stream(after: number, span: Span): Stream {
    const { branch, residual } = this.#streams[after % 2]!;
    return { branch: this.#wide(branch, span), residual: this.#wide(residual, span) };
  }

  /** The memory of the residual stream, and of the layers' own inputs. */
  streamBuffers(after: number): StreamMemory {
    return { ...this.#streams[after % 2]!, ...(this.#inputs && { inputs: this.#inputs }) };
  }

  /** Like `stream`, with the names of the program's outputs. */
  streamOut(after: number, span: Span): Binding {
    const { branch, residual } = this.stream(after, span);
    return { branchOut: branch, residualOut: residual };
  }

  /** Bindings of the piece after a layer's attention; the number of `pieces` run before it alternates the buffers. */
  attendedViews(span: Span, pieces = 0, layer = this.#programs.decoder.config.layers - 1): Binding {
    const width = attendedWidth(this.#programs.decoder.config, layer);
    return {
      attended: this.#attended.view([span.rows, span.tokens, width], span.at * width),
      attendedResidual: this.#wide(this.#besides[pieces % 2]!, span),
      attendedResidualOut: this.#wide(this.#besides[(pieces + 1) % 2]!, span),
      ...this.#besideViews(span, pieces),
      ...this.#inputViews(span),
    };
  }

  #besideViews({ rows, tokens, at }: Span, pieces: number): Binding {
    const { beside: width } = this.#programs.decoder.config;
    if (width === undefined) return {};
    const view = (buffer: Buffer) => buffer.view([rows, tokens, width], at * width);
    return { beside: view(this.#routes[pieces % 2]!), besideOut: view(this.#routes[(pieces + 1) % 2]!) };
  }

  /** Binds consecutive segments until the result is disposed of. */
  bind(segments: readonly Segment[], { done, span, cache, lengths, first = [], apart }: Binds): BoundStack {
    const chain = new WindowChain((start, views) => [
      ...first,
      ...segments.map(({ from, to, program }, i) => {
        const caches = Array.from({ length: to - from }, (_, l) =>
          layerBinding(cache, from + l, { start, views, apart }),
        );
        const streams = { ...this.stream(done + i, span), ...this.streamOut(done + i + 1, span) };
        return program.bind(Object.assign({}, lengths, streams, this.attendedViews(span), ...caches));
      }),
    ]);
    this.#chains.add(chain);
    const { config } = this.#programs.decoder;
    const sizes = { batch: span.rows, tokens: span.tokens, ...pastSizes(config, 0) };
    const brief = segments.every(({ program }) => isBrief(program, sizes));
    return {
      run: (start) => runChain(chain.from(start), brief),
      [Symbol.dispose]: () => {
        this.#chains.delete(chain);
        chain[Symbol.dispose]();
      },
    };
  }

  #wide(buffer: Buffer, { rows, tokens, at }: Span): View {
    const { hidden } = this.#programs.decoder.config;
    return buffer.view([rows, tokens, hidden], at * hidden);
  }

  [Symbol.dispose](): void {
    const streams = this.#streams.flatMap(({ branch, residual }) => [branch, residual]);
    const qkv = this.#qkv ? [this.#qkv] : [];
    for (const held of [
      this.#ids,
      this.#attended,
      ...this.#besides,
      ...this.#routes,
      ...(this.#inputs ? [this.#inputs] : []),
      ...qkv,
      ...streams,
      ...this.#chains,
    ])
      held[Symbol.dispose]();
  }
}

/** The binding of a layer's cache. */
interface LayerBinds {
  /** The first bound token of a layer with a window. */
  readonly start: number;
  readonly views: ViewSet;
  readonly apart?: number | undefined;
}

/** A layer's cache and states as its inputs and outputs: updated in place. */
export function layerBinding(cache: KvRows, layer: number, binds?: LayerBinds): Binding {
  const states = stateBinding(cache, layer);
  if (!attends(cache.config, layer)) return states;
  const entries = binds ? cache.bound(layer, binds.start, binds.views) : cache.layer(layer);
  const writes = Array.from({ length: binds?.apart ?? 0 }, (_, at) => cacheBinding(entries, `${layer}.${at}`));
  return Object.assign(states, cacheBinding(entries, String(layer)), ...writes);
}

/** A recurrent layer's states as its input and output: updated in place. Empty for other layers. */
export function stateBinding(cache: KvRows, layer: number): Binding {
  if (!isRecurrent(cache.config, layer)) return {};
  const states = cache.states(layer);
  return { [`state${layer}`]: states, [`stateOut${layer}`]: states };
}

/** A layer's cache as its attention's inputs and outputs, with names that end in `suffix`: updated in place. */
export function cacheBinding({ key, value }: { key: Bindable; value: Bindable }, suffix: string): Binding {
  const keys = { [`pastKey${suffix}`]: key, [`presentKey${suffix}`]: key };
  return { ...keys, [`pastValue${suffix}`]: value, [`presentValue${suffix}`]: value };
}

/** Programs bound to a cache; they are bound again whenever the window's first token moves. */
class WindowChain implements Disposable {
  #start: number | undefined;
  #views = new ViewSet();
  #programs: readonly BoundProgram[] = [];

  constructor(private readonly bind: (start: number, views: ViewSet) => BoundProgram[]) {}

  from(start: number): readonly BoundProgram[] {
    if (start !== this.#start) {
      this.#views[Symbol.dispose]();
      this.#views = new ViewSet();
      this.#programs = this.bind(start, this.#views);
      this.#start = start;
    }
    return this.#programs;
  }

  [Symbol.dispose](): void {
    this.#views[Symbol.dispose]();
  }
}
