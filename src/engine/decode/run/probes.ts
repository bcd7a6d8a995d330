import type { Cost } from "../../../graph/op.ts";
import type { DecoderPrograms } from "../../../models/programs/programs.ts";
import type { CompiledProbe, StepProbe } from "../../../models/programs/step-probe.ts";
import { Buffer, type View } from "../../../runtime/buffer.ts";
import { isBrief, runChain } from "../../../runtime/chain.ts";
import type { Binding, BoundProgram } from "../../../runtime/program.ts";
import type { Slot } from "../state/slot.ts";
import type { Stream } from "./stack-buffers.ts";

/** A probe's outputs for some rows, and its states between runs. */
class ProbeBuffers implements Disposable {
  readonly #found: Buffer;
  readonly #logits: Buffer | undefined;
  readonly #state: Buffer;
  readonly #stateOut: Buffer;
  readonly #bound = new Map<string, BoundProgram>();

  constructor(
    readonly compiled: CompiledProbe,
    rows: number,
    private readonly vocabulary: number,
  ) {
    const { width, hasLogits, stateSize } = compiled;
    this.#found = new Buffer("f32", rows * width);
    this.#logits = hasLogits ? new Buffer("f32", rows * vocabulary) : undefined;
    this.#state = new Buffer("f32", Math.max(1, rows * stateSize));
    this.#stateOut = new Buffer("f32", Math.max(1, rows * stateSize));
  }

  /** Binds the program to `rows` rows, starting at `first`; calls with equal keys share one binding. */
  bound(key: string, stream: () => Stream, first: number, rows: number): BoundProgram {
    const known = this.#bound.get(key) ?? this.compiled.program.bind(this.#binding(stream(), first, rows));
    this.#bound.set(key, known);
    return known;
  }

  /** The program that reads a prompt's tokens, bound to the first row. */
  reader(stream: Stream): BoundProgram {
    return this.compiled.reader!.bind({ ...stream, ...this.#states(0, 1) });
  }

  #binding(stream: Stream, first: number, rows: number): Binding {
    const { width } = this.compiled;
    const found = this.#found.view([rows, 1, width], first * width);
    const logits = this.#logits?.view([rows, 1, this.vocabulary], first * this.vocabulary);
    return { ...stream, ...this.#states(first, rows), found, ...(logits && { logits }) };
  }

  #states(first: number, rows: number): Record<string, View> {
    const { stateSize } = this.compiled;
    if (stateSize === 0) return {};
    const [at, shape] = [first * stateSize, [rows, stateSize]];
    return { state: this.#state.view(shape, at), stateOut: this.#stateOut.view(shape, at) };
  }

  /** Sets a row's state; zeros if undefined. */
  setState(row: number, state: Float32Array | undefined): void {
    const own = this.#row(this.#state, row, this.compiled.stateSize);
    if (state) own.set(state);
    else own.fill(0);
  }

  /** A copy of a row's next state. */
  nextState(row: number): Float32Array {
    return this.#row(this.#stateOut, row, this.compiled.stateSize).slice();
  }

  /** A copy of the values that the probe computed for a row. */
  found(row: number): Float32Array {
    return this.#row(this.#found, row, this.compiled.width).slice();
  }

  /** [vocabulary]; the row's next run overwrites it. Undefined if the probe computes no logits. */
  logits(row: number): Float32Array | undefined {
    return this.#logits && this.#row(this.#logits, row, this.vocabulary);
  }

  #row(buffer: Buffer, row: number, width: number): Float32Array {
    return new Float32Array(buffer.memory, 4 * row * width, width);
  }

  [Symbol.dispose](): void {
    for (const buffer of [this.#found, this.#logits, this.#state, this.#stateOut]) buffer?.[Symbol.dispose]();
  }
}

/** Rows for a probe: adjacent indices, starting at `first`, and their sequences. */
export interface ProbedRows {
  readonly first: number;
  readonly slots: readonly Slot[];
}

/** A probe's output for one row. */
export interface Finding {
  readonly found: Float32Array;
  /** [vocabulary]; the next run overwrites it. */
  readonly logits: Float32Array | undefined;
  /** The cost of the probe, as a function of its row's tokens. */
  readonly cost: Cost;
}

/** The probes that have run on the rows of some buffers. */
export class Probes implements Disposable {
  readonly #buffers = new Map<string, ProbeBuffers>();

  constructor(
    private readonly programs: DecoderPrograms,
    private readonly rows: number,
  ) {}

  /** Runs a probe on the newest token of each row, in one run; `key` identifies the stream. */
  async read(probe: StepProbe, { first, slots }: ProbedRows, key: string, stream: () => Stream): Promise<Finding[]> {
    const buffers = await this.#of(probe);
    const bound = buffers.bound(key, stream, first, slots.length);
    if (probe.stateSize !== undefined)
      for (const [i, { memory }] of slots.entries()) buffers.setState(first + i, memory.get(probe.key));
    await runChain([bound], isBrief(bound.program, { batch: slots.length, tokens: 1 }));
    return slots.map((slot, i) => {
      if (probe.stateSize !== undefined) slot.remember(probe.key, slot.tokens.length + 1, buffers.nextState(first + i));
      return { found: buffers.found(first + i), logits: buffers.logits(first + i), cost: bound.program.cost };
    });
  }

  /** Updates a row's state from tokens of its prompt, up to the prompt's token `end`. Returns the cost. */
  async readPrompt(probe: StepProbe, slot: Slot, stream: Stream, end: number): Promise<Cost> {
    const buffers = await this.#of(probe);
    const reader = buffers.reader(stream);
    buffers.setState(0, slot.memory.get(probe.key));
    await reader.run();
    slot.memory.put(probe.key, end, buffers.nextState(0), end);
    return reader.program.cost;
  }

  async #of(probe: StepProbe): Promise<ProbeBuffers> {
    const known = this.#buffers.get(probe.key);
    if (known) return known;
    const compiled = await this.programs.probe(probe);
    const buffers = new ProbeBuffers(compiled, this.rows, this.programs.decoder.config.vocabulary);
    this.#buffers.set(probe.key, buffers);
    return buffers;
  }

  [Symbol.dispose](): void {
    for (const buffers of this.#buffers.values()) buffers[Symbol.dispose]();
  }
}
