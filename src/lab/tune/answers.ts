import path from "node:path";
import { z } from "zod";
import type { LossName } from "../../savings/auto/certificate.ts";
import { makeFolders } from "../../util/make-folders.ts";
import type { LossType } from "../../util/risk/losses.ts";
import { LinesFile } from "../run/lines-file.ts";
import type { ServedItem } from "./items.ts";
import { lossOf } from "./losses.ts";
import { answerHash, type Losses, type ServedAnswer, textHash, type Upcoming } from "./served.ts";

const answerLine = z.strictObject({
  recipe: z.string(),
  item: z.string(),
  loss: z.number(),
  quality: z.number().optional(),
  /** A hash of the text. */
  text: z.string(),
  /** A hash of the tokens and, if they were sampled, of their log-probability: equal hashes share a score. */
  ids: z.string(),
  /** Nats per token: see `Serving.excess`. */
  excess: z.number().optional(),
  /** Tokens of the answer. */
  tokens: z.int().min(0),
  /** True if the answer was cut at its item's token limit. */
  cut: z.literal(true).optional(),
  /** Milliseconds taken by the answer. */
  ms: z.number(),
  /** The reason that there is no answer or no value for the loss, which is then 1. */
  failed: z.string().optional(),
});
export type AnswerLine = z.infer<typeof answerLine>;

/** The kind of loss: the compared values and their range. */
interface Loss {
  readonly name: LossName;
  readonly type: LossType;
}

/** Called for each new answer. */
export type OnAnswer = (line: AnswerLine) => void;

/** A tuning run's answers, each computed once and stored in a file. */
export class KeptAnswers implements AsyncDisposable {
  readonly #known = new Map<string, AnswerLine>();

  private constructor(
    private readonly file: LinesFile<AnswerLine>,
    lines: readonly AnswerLine[],
    private readonly loss: Loss,
    private readonly serving: Losses,
    private readonly signal: AbortSignal | undefined,
    private readonly onAnswer: OnAnswer,
  ) {
    for (const line of lines) this.#known.set(keyOf(line.recipe, line.item), line);
  }

  static async open(
    folder: string,
    loss: Loss,
    serving: Losses,
    signal: AbortSignal | undefined,
    onAnswer: OnAnswer,
  ): Promise<KeptAnswers> {
    makeFolders(folder);
    const { file, lines } = await LinesFile.open(path.join(folder, "answers.jsonl"), answerLine);
    return new KeptAnswers(file, lines, loss, serving, signal, onAnswer);
  }

  /** The answer to an item under a recipe, computed now if it is not stored. */
  async of(recipe: string, item: ServedItem): Promise<AnswerLine> {
    await this.all([recipe], item);
    return this.held(recipe, item)!;
  }

  /**
   * Answers an item under each recipe that has no stored answer for it, dense first. Scoring reads the prompt once for
   * all answers.
   */
  async all(recipes: readonly string[], item: ServedItem): Promise<void> {
    const missing = [...new Set(["dense", ...recipes])].filter((recipe) => !this.held(recipe, item));
    if (missing.length === 0) return;
    const answers: NewAnswer[] = [];
    for (const recipe of missing) {
      this.signal?.throwIfAborted();
      answers.push(await this.#served(recipe, item));
    }
    for (const line of await this.#lines(answers, item)) {
      await this.file.add(line);
      this.#known.set(keyOf(line.recipe, item.id), line);
      this.onAnswer(line);
    }
  }

  /** Announces the next items, in order, and their recipes, to an engine that answers several at once. */
  announce(items: readonly ServedItem[], recipesOf: (item: ServedItem) => readonly string[]): void {
    this.serving.announce?.(this.#missing(items, recipesOf));
  }

  *#missing(items: readonly ServedItem[], recipesOf: (item: ServedItem) => readonly string[]): Generator<Upcoming> {
    for (const item of items) {
      const recipes = ["dense", ...recipesOf(item)].filter((recipe) => !this.held(recipe, item));
      const known = this.held("dense", item)?.ids;
      if (recipes.length > 0) yield { item, recipes, ...(known !== undefined && { known }) };
    }
  }

  held(recipe: string, { id }: Pick<ServedItem, "id">): AnswerLine | undefined {
    return this.#known.get(keyOf(recipe, id));
  }

  async #served(recipe: string, item: ServedItem): Promise<NewAnswer> {
    const started = performance.now();
    const outcome = await this.serving.answer(recipe, item, this.#drawn).catch((error: unknown) => {
      // Nothing can be compared without dense's answer.
      if (recipe === "dense" || this.signal?.aborted) throw error;
      return error instanceof Error ? error.message : String(error);
    });
    return { recipe, outcome, ms: performance.now() - started };
  }

  async #lines(answers: readonly NewAnswer[], item: ServedItem): Promise<AnswerLine[]> {
    const excess = this.loss.name === "nats" ? await this.#excess(answers, item) : undefined;
    const lines: AnswerLine[] = [];
    for (const { recipe, outcome, ms } of answers) {
      const fields = { recipe, item: item.id, ms };
      if (typeof outcome === "string") {
        lines.push({ ...fields, loss: 1, text: "", ids: "", tokens: 0, failed: outcome });
        continue;
      }
      const ids = answerHash(outcome);
      const quality = item.quality?.({ text: outcome.text });
      const traits = {
        text: textHash(outcome.text),
        ...(quality !== undefined && { quality }),
        ...(excess && { excess: excess.get(ids)! }),
      };
      const dense = this.held("dense", item) ?? lines[0];
      const loss = recipe === "dense" ? 0 : lossOf(this.loss.name, this.loss.type, traits, dense!);
      const cut = outcome.reason === "length";
      const line = { ...fields, ids, tokens: outcome.tokens.length, ...(cut && { cut }) };
      lines.push(
        Number.isNaN(loss)
          ? { ...line, text: traits.text, loss: 1, failed: "its answer has no number" }
          : { ...line, ...traits, loss },
      );
    }
    return lines;
  }

  /** True if answers are drawn at random, and compared by the log-probabilities with which they were drawn. */
  get #drawn(): boolean {
    return this.loss.name === "nats" && this.loss.type === "signed";
  }

  /** Scores by the hash of the tokens; equal answers are scored once. */
  async #excess(newAnswers: readonly NewAnswer[], item: ServedItem): Promise<Map<string, number>> {
    const known = new Map<string, number>();
    const dense = this.held("dense", item);
    if (dense?.excess !== undefined) known.set(dense.ids, dense.excess);
    // Dense's own draws need no scoring: dense finds them as likely as when it drew them.
    const own = newAnswers.find(({ recipe }) => recipe === "dense")?.outcome;
    if (this.#drawn && own !== undefined && typeof own !== "string") known.set(answerHash(own), 0);
    const answers = newAnswers.flatMap(({ outcome }) => (typeof outcome === "string" ? [] : [outcome]));
    const fresh = new Map(answers.map((served) => [answerHash(served), served]));
    for (const ids of known.keys()) fresh.delete(ids);
    if (fresh.size === 0) return known;
    const scores = await this.serving.excess(item, [...fresh.values()]);
    for (const [i, ids] of [...fresh.keys()].entries()) known.set(ids, scores[i]!);
    return known;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
  }
}

const keyOf = (recipe: string, item: string): string => `${item} ${recipe}`;

/** A new answer, or the reason why it is missing. */
interface NewAnswer {
  readonly recipe: string;
  readonly outcome: ServedAnswer | string;
  readonly ms: number;
}
