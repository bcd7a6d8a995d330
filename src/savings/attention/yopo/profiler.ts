import { type Decoder, firstAttention } from "../../../models/decoder/decoder.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import type { VisualSpan } from "../../plan.ts";
import type { AttentionCall, AttentionSaving } from "../../seams.ts";
import { LastQueries } from "../last-attention.ts";
import { VisualPrograms } from "./attention.ts";
import { placeChunk } from "./place.ts";

/** Records how the text after a prompt's images divides its attention between images and text. */
export class HeadProfiler implements Disposable {
  /** Each prompt's ratios, [layers][heads][prompts]. */
  readonly #ratios: number[][][];

  private constructor(
    private readonly compiled: VisualPrograms,
    private readonly last: LastQueries,
    private readonly chunk: number,
    { layers, kvHeads }: Decoder["config"],
  ) {
    this.#ratios = Array.from({ length: layers }, () => Array.from({ length: kvHeads }, () => []));
  }

  /** Creates a profiler for prompts of at most `longest` tokens. */
  static async create(decoder: Decoder, longest: number): Promise<HeadProfiler> {
    const compiled = await VisualPrograms.create(decoder);
    const last = await LastQueries.create(compiled.shape, firstAttention(decoder).scale);
    return new HeadProfiler(compiled, last, longest, decoder.config);
  }

  /** Attends densely to a prompt with these images, in order, and records its ratios. */
  of(visual: readonly VisualSpan[]): AttentionSaving {
    const { chunk } = this;
    return { chunk, chunkAfter: () => chunk, attend: (call) => this.#attend(call, visual) };
  }

  async #attend(call: AttentionCall, visual: readonly VisualSpan[]): Promise<void> {
    const { layer, past, tokens, cache, bill } = call;
    const { heads, headSize } = this.compiled.shape;
    if (past > 0) throw new Error("a prompt came in several chunks, expected one");
    using q = new Buffer("f32", heads * tokens * headSize);
    await placeChunk(this.compiled, call, q);
    const images = visual.map(({ first, grid }) => ({ first, end: first + grid[0] * grid[1] }));
    const { end } = images.at(-1)!;
    const chunk = { cache, layer, past, tokens };
    const { probabilities, queries, keys } = await this.last.attend({ chunk, q, bill }, tokens - end);
    const seen = Array.from({ length: heads }, (_, head) => {
      let mass = 0;
      for (let query = 0; query < queries; query++)
        for (const { first, end } of images)
          for (let key = first; key < end; key++) mass += probabilities[(head * queries + query) * keys + key]!;
      return mass / (queries - mass);
    });
    this.#note(layer, seen);
    await call.dense();
  }

  /** Records a layer's ratios; a key–value head's ratio is the greatest among its query heads. */
  #note(layer: number, seen: readonly number[]): void {
    const ratios = this.#ratios[layer]!;
    const group = seen.length / ratios.length;
    for (const [head, all] of ratios.entries()) all.push(Math.max(...seen.slice(head * group, (head + 1) * group)));
  }

  /** For each head, the greatest ratio reached in at least this share of the prompts, [layers][heads]. */
  ratios(vote: number): number[][] {
    const reached = (all: readonly number[]) => {
      const index = Math.min(all.length - 1, Math.max(0, Math.ceil(vote * all.length) - 1));
      return all.toSorted((a, b) => b - a)[index]!;
    };
    return this.#ratios.map((heads) => heads.map(reached));
  }

  [Symbol.dispose](): void {
    this.compiled[Symbol.dispose]();
    this.last[Symbol.dispose]();
  }
}
