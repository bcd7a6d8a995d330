import path from "node:path";
import { z } from "zod";
import { type Ladder, recipesOf } from "../../../savings/auto/ladder.ts";
import { makeFolders } from "../../../util/make-folders.ts";
import { mean } from "../../../util/mean.ts";
import { real } from "../../reals.ts";
import { LinesFile } from "../../run/lines-file.ts";
import type { ServedItem } from "../items.ts";
import type { ServedAnswer, Serving } from "../served.ts";
import type { Alone, PairModels, Role } from "./models.ts";
import { thresholdIn, thresholdText, wayIn } from "./ways.ts";

const answerLine = z.strictObject({
  role: z.enum(["swift", "super"]),
  item: z.string(),
  text: z.string(),
  tokens: z.array(z.int()),
  reason: z.enum(["stop", "length", "repetition", "stopped"]),
  ms: z.number(),
  flops: z.number(),
  bytes: z.number(),
  /** Swift's scores, by name. */
  scores: z.record(z.string(), real),
  /** The reason that Swift has no answer, if it has none: the item then counts as lost under every threshold. */
  failed: z.string().optional(),
});
type AnswerLine = z.infer<typeof answerLine>;

/** Answers items under any threshold of a pair's router, from one stored answer of each model. Dense is Super. */
export class PairServing implements Serving {
  readonly #known = new Map<string, AnswerLine>();
  readonly #thresholds = new Map<string, number>();
  #file: LinesFile<AnswerLine> | undefined;
  #searched: readonly ServedItem[] = [];

  constructor(
    private readonly models: PairModels,
    private readonly signal?: AbortSignal,
  ) {}

  /** Opens the file of answers; shares refer to the search items, which Swift has to answer first. */
  async begin(folder: string, searched: readonly ServedItem[]): Promise<AsyncDisposable> {
    makeFolders(folder);
    const { file, lines } = await LinesFile.open(path.join(folder, "pair.jsonl"), answerLine);
    for (const line of lines) this.#known.set(keyOf(line.role, line.item), line);
    this.#file = file;
    this.#searched = searched;
    return { [Symbol.asyncDispose]: () => file.close() };
  }

  /** True if the answer is stored. */
  holds(role: Role, { id }: ServedItem): boolean {
    return this.#known.has(keyOf(role, id));
  }

  /** A model's answer, computed now if it is not stored. @throws whatever Super throws */
  async of(role: Role, item: ServedItem): Promise<AnswerLine> {
    const known = this.#known.get(keyOf(role, item.id));
    if (known) return known;
    this.signal?.throwIfAborted();
    const answered = await this.models.alone(role, item).catch((error: unknown) => {
      if (role === "super" || this.signal?.aborted) throw error;
      return { ...NONE, failed: error instanceof Error ? error.message : String(error) };
    });
    const line = { role, item: item.id, ...answered, tokens: [...answered.tokens] };
    await this.#file?.add(line);
    this.#known.set(keyOf(role, item.id), line);
    return line;
  }

  async answer(recipe: string, item: ServedItem): Promise<ServedAnswer> {
    if (recipe === "dense") return await this.of("super", item);
    const swift = await this.of("swift", item);
    if (swift.failed !== undefined) throw new Error(swift.failed);
    return isEasy(swift, recipe, this.#threshold(recipe)) ? swift : await this.of("super", item);
  }

  excess(item: ServedItem, answers: readonly ServedAnswer[]): Promise<number[]> {
    return this.models.excess(item, answers);
  }

  /** Runs real routes, for timing. */
  get timing(): Serving {
    return {
      answer: async (recipe, item) => {
        if (recipe === "dense") return this.models.alone("super", item);
        const routed = await this.models.routed(recipe, item);
        // Prices depend on the length of dense's answer, which is known for every item.
        return { ...routed, tokens: (await this.of("super", item)).tokens };
      },
      excess: (item, answers) => this.excess(item, answers),
      [Symbol.dispose]() {},
    };
  }

  /** The share of the search items that a candidate sends to Super. */
  shareOf(recipe: string): number {
    const threshold = this.#threshold(recipe);
    return mean(this.#scored().map((line) => (isEasy(line, recipe, threshold) ? 0 : 1)));
  }

  /** The route of each recipe of a ladder, with its threshold. */
  routes(ladder: Ladder): Record<string, string> {
    const routeOf = (recipe: string) => thresholdText(recipe, this.#threshold(recipe));
    return Object.fromEntries(recipesOf(ladder).map((recipe) => [recipe, routeOf(recipe)]));
  }

  /** A threshold depends only on Swift's scores of the search items, which are known before it is needed. */
  #threshold(recipe: string): number {
    const known = this.#thresholds.get(recipe);
    if (known !== undefined) return known;
    const scores = this.#scored().map((line) => scoreOf(line, recipe));
    const threshold = thresholdIn(recipe, scores);
    this.#thresholds.set(recipe, threshold);
    return threshold;
  }

  #scored(): AnswerLine[] {
    return this.#searched
      .map(({ id }) => this.#known.get(keyOf("swift", id))!)
      .filter(({ failed }) => failed === undefined);
  }

  [Symbol.dispose](): void {
    this.models[Symbol.dispose]();
  }
}

const NONE: Alone = { text: "", tokens: [], reason: "stop", ms: 0, flops: 0, bytes: 0, scores: {} };

const keyOf = (role: Role, item: string): string => `${role} ${item}`;

const scoreOf = ({ scores }: AnswerLine, recipe: string): number => scores[wayIn(recipe)] ?? Number.NaN;

/** Returns Swift's answer, or Super's if the score is NaN. */
const isEasy = (line: AnswerLine, recipe: string, threshold: number): boolean => scoreOf(line, recipe) >= threshold;
