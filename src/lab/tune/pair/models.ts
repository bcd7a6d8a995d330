import { identityOf } from "../../../library/identity.ts";
import type { Model } from "../../../library/model.ts";
import { OpenedPipeline } from "../../../library/text-pipeline.ts";
import { textPipelineNamed } from "../../../pipelines/registry.ts";
import { parseRouteText } from "../../../pipelines/route/name.ts";
import { deciderOf, type PreparedRoute, scoringOf } from "../../../pipelines/route/rule.ts";
import { Scorer } from "../../../pipelines/scores.ts";
import type { ServedItem } from "../items.ts";
import { ModelServing, optionsOf, type ServedAnswer, servedOf } from "../served.ts";
import { type TunedName, type Way, wayText } from "./ways.ts";

/** The role of a model in a pair. */
export type Role = "swift" | "super";

/** A model's own answer and, for Swift, how easy the item is by each score; if a score is NaN, Super answers. */
export type Alone = ServedAnswer & { readonly scores: Readonly<Record<string, number>> };

/** Two models that answer items, alone and with a route between them. */
export interface PairModels extends Disposable {
  alone(role: Role, item: ServedItem): Promise<Alone>;
  /** The answer of a real route. */
  routed(recipe: string, item: ServedItem): Promise<ServedAnswer>;
  /** The nats per token by which Super finds its own choices likelier than each answer's tokens. */
  excess(item: ServedItem, answers: readonly ServedAnswer[]): Promise<number[]>;
}

/** A pair to tune: its name, and its first model; the second model is the model being tuned. */
export interface TunedPair {
  readonly name: TunedName;
  readonly swift: Model;
}

/** A pair in memory. */
export class LoadedPair implements PairModels {
  private constructor(
    private readonly dense: ModelServing,
    private readonly models: { readonly swift: Model; readonly super: Model },
    private readonly pair: PreparedRoute["pair"],
    private readonly ways: readonly Way[],
    private readonly temperature: number | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {}

  static async open(
    { name, swift }: TunedPair,
    strong: Model,
    ways: readonly Way[],
    temperature: number | undefined,
    signal?: AbortSignal,
  ): Promise<LoadedPair> {
    const pair = {
      swift: await identityOf(name.swift, swift, undefined),
      super: await identityOf(name.super, strong, undefined),
    };
    const dense = await ModelServing.open(strong, temperature, signal);
    return new LoadedPair(dense, { swift, super: strong }, pair, ways, temperature, signal);
  }

  async alone(role: Role, item: ServedItem): Promise<Alone> {
    if (role === "super") return { ...(await this.dense.answer("dense", item)), scores: {} };
    const { swift } = this.models;
    swift.language.engine.forget();
    const scorers = this.ways.map((way) => new Scorer(scoringOf(way, swift.language)));
    const observe = (logits: Float32Array) => {
      for (const scorer of scorers) scorer.observe(logits);
    };
    const scored = () => Object.fromEntries(scorers.map(({ score }, i) => [wayText(this.ways[i]!), score]));
    try {
      const answer = await swift.complete(item.prompt, { ...this.#optionsOf(item), observe });
      return { ...servedOf(answer), scores: scored() };
    } catch (error) {
      // An item that Swift cannot score goes to Super.
      if (this.signal?.aborted || !scorers.every(({ failed }) => failed)) throw error;
      return { ...NOTHING, scores: scored() };
    }
  }

  async routed(recipe: string, { prompt, ...item }: ServedItem): Promise<ServedAnswer> {
    const { models, pair } = this;
    models.swift.language.engine.forget();
    this.dense.forget();
    const rule = deciderOf(pair, parseRouteText(recipe), models.swift.language);
    const named = textPipelineNamed(`${pair.swift.name}>${pair.super.name}`)!;
    const route = await OpenedPipeline.over(named, models, {}, async (): Promise<PreparedRoute> => ({ pair, rule }));
    return servedOf(await route.complete(prompt, optionsOf(item, this.temperature, this.signal)));
  }

  #optionsOf(item: Omit<ServedItem, "prompt">) {
    const { signal, ...options } = optionsOf(item, this.temperature, this.signal);
    return options;
  }

  excess(item: ServedItem, answers: readonly ServedAnswer[]): Promise<number[]> {
    return this.dense.excess(item, answers);
  }

  [Symbol.dispose](): void {
    this.dense[Symbol.dispose]();
  }
}

const NOTHING: ServedAnswer = { text: "", tokens: [], reason: "stop", ms: 0, flops: 0, bytes: 0 };
