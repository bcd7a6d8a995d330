import path from "node:path";
import { z } from "zod";
import type { LossName } from "../../savings/auto/certificate.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { LinesFile } from "../run/lines-file.ts";
import type { ServedItem } from "./items.ts";
import { lossOf } from "./losses.ts";
import { type Served, type Serving, textHash } from "./served.ts";

const answerLine = z.strictObject({
  recipe: z.string(),
  item: z.string(),
  loss: z.number(),
  quality: z.number().optional(),
  /** A hash of the text. */
  text: z.string(),
  /** Nats a token by which dense finds other tokens likelier. */
  excess: z.number().optional(),
  /** Tokens of the answer. */
  tokens: z.int().min(0),
  /** Milliseconds of the answer and its score. */
  ms: z.number(),
  /** The reason why there is no answer, or no number for it: it loses 1. */
  failed: z.string().optional(),
});
export type AnswerLine = z.infer<typeof answerLine>;

/** Called for each new answer. */
export type OnAnswer = (line: AnswerLine) => void;

/** The answers of a tuning, each given once and kept in a file. */
export class KeptAnswers implements AsyncDisposable {
  readonly #known = new Map<string, AnswerLine>();

  private constructor(
    private readonly file: LinesFile<AnswerLine>,
    lines: readonly AnswerLine[],
    private readonly loss: LossName,
    private readonly serving: Serving,
    private readonly signal: AbortSignal | undefined,
    private readonly onAnswer: OnAnswer,
  ) {
    for (const line of lines) this.#known.set(keyOf(line.recipe, line.item), line);
  }

  static async open(
    folder: string,
    loss: LossName,
    serving: Serving,
    signal: AbortSignal | undefined,
    onAnswer: OnAnswer,
  ): Promise<KeptAnswers> {
    makeFolders(folder);
    const { file, lines } = await LinesFile.open(path.join(folder, "answers.jsonl"), answerLine);
    return new KeptAnswers(file, lines, loss, serving, signal, onAnswer);
  }

  /** The answer to an item under a recipe, given now if it is not kept. */
  async of(recipe: string, item: ServedItem): Promise<AnswerLine> {
    const known = this.held(recipe, item);
    if (known) return known;
    const dense = recipe === "dense" ? undefined : await this.of("dense", item);
    this.signal?.throwIfAborted();
    const line = await this.#answered(recipe, item, dense);
    await this.file.add(line);
    this.#known.set(keyOf(recipe, item.id), line);
    this.onAnswer(line);
    return line;
  }

  held(recipe: string, { id }: Pick<ServedItem, "id">): AnswerLine | undefined {
    return this.#known.get(keyOf(recipe, id));
  }

  async #answered(recipe: string, item: ServedItem, dense: AnswerLine | undefined): Promise<AnswerLine> {
    const started = performance.now();
    const told = { recipe, item: item.id };
    try {
      const { text, tokens, traits } = await this.#traits(recipe, item);
      const loss = dense ? lossOf(this.loss, traits, dense) : 0;
      const line = { ...told, loss, ...traits, tokens, ms: performance.now() - started };
      return Number.isNaN(loss) ? { ...lost(line, "its answer has no number"), text: textHash(text) } : line;
    } catch (error) {
      // Nothing can be compared without dense's answer.
      if (dense === undefined || this.signal?.aborted) throw error;
      const failed = error instanceof Error ? error.message : String(error);
      return lost({ ...told, text: "", tokens: 0, ms: performance.now() - started }, failed);
    }
  }

  async #traits(recipe: string, item: ServedItem) {
    const served: Served = await this.serving.answer(recipe, item);
    const quality = item.quality?.({ text: served.text });
    const excess = this.loss === "nats" ? await this.serving.excess(item, served) : undefined;
    const traits = {
      text: textHash(served.text),
      ...(quality !== undefined && { quality }),
      ...(excess !== undefined && { excess }),
    };
    return { text: served.text, tokens: served.tokens.length, traits };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
  }
}

const keyOf = (recipe: string, item: string): string => `${item} ${recipe}`;

const lost = ({ recipe, item, text, tokens, ms }: Omit<AnswerLine, "loss">, failed: string): AnswerLine => ({
  recipe,
  item,
  text,
  tokens,
  ms,
  loss: 1,
  failed,
});
