import type { DecoderPrograms } from "../../../models/programs/programs.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import type { Meter } from "../../bill/meter.ts";
import type { Run } from "../run/prompt-run.ts";
import { logprobs } from "../sampling/logprobs.ts";
import type { Sampled } from "../sampling/sampler.ts";

/** The number of rows whose logits the head computes at once: a megabyte each for the largest vocabularies. */
const ROWS = 16;

/** Log-probabilities of the prompt tokens that have run so far. */
export class PromptScores implements Disposable {
  /**
   * The prompt's first tokens, each with its log-probability and the `top` likeliest tokens at its position; the first
   * token has no prediction.
   */
  readonly found: Sampled[];
  readonly #vocabulary: number;
  readonly #logits: Buffer;

  constructor(
    private readonly programs: DecoderPrograms,
    private readonly prompt: readonly number[],
    private readonly top: number,
    private readonly meter: Meter,
  ) {
    this.found = prompt.slice(0, 1).map((id) => ({ id }));
    this.#vocabulary = programs.decoder.config.vocabulary;
    this.#logits = new Buffer("f32", ROWS * this.#vocabulary);
  }

  /**
   * Scores the tokens that the next run of the prompt predicts. Yields after every few rows, so that other answers can
   * proceed.
   */
  async *read(run: Run): AsyncGenerator<undefined> {
    const rows = Math.min(run.tokens, this.prompt.length - this.found.length);
    for (let first = 0; first < rows; first += ROWS) {
      await this.#score(run, first, Math.min(ROWS, rows - first));
      yield undefined;
    }
  }

  async #score({ rows, headRuns }: Run, first: number, count: number): Promise<void> {
    const size = this.#vocabulary;
    const logits = this.#logits.view([1, count, size]);
    this.meter.head(count, await headRuns(first, count));
    await this.programs.head.bind({ ...(await rows(first, count)), logits }).run();
    const all = new Float32Array(this.#logits.memory);
    for (let row = 0; row < count; row++) {
      const id = this.prompt[this.found.length]!;
      this.found.push(logprobs(all.subarray(row * size, (row + 1) * size), id, this.top));
    }
  }

  [Symbol.dispose](): void {
    this.#logits[Symbol.dispose]();
  }
}
