import type { Usage } from "../../engine/decode/answer/generate.ts";
import { activate, type Classification, likeliest } from "../../engine/encoders/text/classifier.ts";
import type { ReadTerms } from "../../engine/encoders/text/encoder-model.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { UserError } from "../../util/errors.ts";
import type { LabelModel } from "../classify/label-model.ts";
import { FLOPS_PER_LOGIT, type ScoreOptions, scoreOf, scoreOptions } from "../scores.ts";
import type { Route } from "./route.ts";

/** The options of a cascade. */
export interface CascadeOptions {
  readonly swift: LabelModel;
  /** Answers the texts that score below the threshold. */
  readonly super: LabelModel;
  /** −∞: Swift answers all texts with finite logits. +∞: Super answers all. */
  readonly threshold: number;
  /** The score of Swift's logits; by default energy at temperature 1. */
  readonly scoring?: ScoreOptions;
}

/** Options of one classification. */
export interface CascadeTerms extends Pick<ReadTerms, "signal" | "key" | "deadline"> {
  /** Called with the receipt of a call that was stopped or failed. */
  readonly onStopped?: ((receipt: Receipt) => void) | undefined;
}

/** A label, the probabilities of all labels, and the model that answered. */
export interface RoutedClassification extends Classification {
  readonly route: Route;
}

type Role = Route["to"];

/**
 * Two classifiers with the same labels: the cheap one scores every text, and the expensive one answers texts below the
 * threshold (E-LANG, arXiv 2203.00748). Texts with logits that are not finite go to Super. The caller owns the models.
 */
export class ClassifyCascade {
  readonly scoring: ScoreOptions;

  /** @throws UserError if both are the same model, or if their labels differ */
  constructor(readonly options: CascadeOptions) {
    checkLabels(options);
    if (Number.isNaN(options.threshold)) throw new UserError("the threshold is NaN, expected a number", 2);
    this.scoring = options.scoring ?? scoreOptions.parse({});
  }

  get name(): string {
    return `${this.options.swift.name}>${this.options.super.name}`;
  }

  /** The label of each text, in order, and one receipt for both models. @throws UserError as the models do */
  async classify(
    texts: readonly string[],
    { onStopped, ...terms }: CascadeTerms = {},
  ): Promise<{ results: RoutedClassification[]; receipt: Receipt }> {
    const run = new CascadeRun(this, texts);
    try {
      const swift = await run.ask("swift", [...texts.keys()], terms);
      const scores = swift.map((logits) => scoreOf(logits, this.scoring));
      // A NaN score must go to Super, so the comparison is not `<`.
      const hard = [...scores.keys()].filter((i) => !(scores[i]! >= this.options.threshold));
      run.escalated(hard);
      const strong = hard.length > 0 ? await run.ask("super", hard, terms) : [];
      const results = swift.map((logits, i) => this.#result("swift", logits, scores[i]!));
      for (const [at, i] of hard.entries()) results[i] = this.#result("super", strong[at]!, scores[i]!);
      return { results, receipt: run.receipt() };
    } catch (error) {
      if (run.begun) onStopped?.(run.receipt());
      throw error;
    }
  }

  #result(to: Role, logits: ArrayLike<number>, score: number): RoutedClassification {
    const { threshold, [to]: model } = this.options;
    const finite = (value: number) => (Number.isFinite(value) ? value : null);
    return {
      ...likeliest(model.labels, activate(Array.from(logits), "softmax")),
      route: { to, model: model.name, score: finite(score), threshold: finite(threshold) },
    };
  }
}

function checkLabels({ swift, super: strong }: CascadeOptions): void {
  if (swift === strong || swift.key === strong.key)
    throw new UserError(`Swift and Super are both ${swift.name}; expected two models`, 2);
  if (swift.labels.length !== strong.labels.length)
    throw new UserError(
      `${swift.name} has ${swift.labels.length} labels and ${strong.name} ${strong.labels.length}; expected the same labels`,
    );
  const at = swift.labels.findIndex((label, i) => label !== strong.labels[i]);
  if (at < 0) return;
  const [ours, theirs] = [swift.labels[at]!, strong.labels[at]!];
  const expected = swift.labels.includes(theirs) ? "the same order of labels" : "the same labels";
  throw new UserError(
    `label ${at + 1} is "${ours}" of ${swift.name} and "${theirs}" of ${strong.name}; expected ${expected}`,
  );
}

/** The calls of one cascade, and their cost. */
class CascadeRun {
  readonly #usages: { readonly role: Role; readonly usage: Usage }[] = [];
  readonly #started = performance.now();
  #scored = 0;
  #hard: readonly number[] = [];

  constructor(
    private readonly cascade: ClassifyCascade,
    private readonly texts: readonly string[],
  ) {}

  get begun(): boolean {
    return this.#usages.some(({ usage }) => usage.flops.spent > 0);
  }

  /** The logits that one of the models computes for some of the texts. */
  async ask(role: Role, places: readonly number[], terms: ReadTerms): Promise<readonly ArrayLike<number>[]> {
    const onStopped = (usage: Usage) => void this.#usages.push({ role, usage });
    const batch = places.map((i) => this.texts[i]!);
    const { answers, usage } = await this.cascade.options[role].logits(batch, { ...terms, onStopped });
    this.#usages.push({ role, usage });
    return answers;
  }

  /** Records which texts go to Super, once all texts are scored. */
  escalated(places: readonly number[]): void {
    this.#hard = places;
    this.#scored = this.texts.length;
  }

  /**
   * The dense baseline runs Super on every text. Overhead is scoring, and Swift's discarded work on the texts that
   * Super answered.
   */
  receipt(): Receipt {
    const { swift, super: strong } = this.cascade.options;
    const dense = strong.price(this.texts);
    const sum = (of: (usage: Usage) => number) => this.#usages.reduce((total, { usage }) => total + of(usage), 0);
    const queue = sum(({ ms }) => ms.queue);
    const prefill = performance.now() - this.#started - queue;
    const spent = sum(({ flops }) => flops.spent) + this.#scoring;
    const beside = this.#scoring + swift.price(this.#hard.map((i) => this.texts[i]!)).flops;
    return makeReceipt({
      model: this.cascade.name,
      recipe: [],
      tokens: { prompt: sum(({ tokens }) => tokens.prompt), cached: 0, completion: 0 },
      flops: { dense: dense.flops, spent, overhead: Math.min(spent, beside) },
      bytes: { dense: dense.bytes, spent: sum(({ bytes }) => bytes.spent) },
      work: { calls: this.#calls() },
      ms: { queue, load: 0, encode: 0, prefill, decode: 0 },
      estimated: false,
    });
  }

  get #scoring(): number {
    const { swift } = this.cascade.options;
    const { score } = this.cascade.scoring;
    return score === "random" ? 0 : FLOPS_PER_LOGIT * swift.labels.length * this.#scored;
  }

  /** The number of calls per model; each text that a model reads counts as a call. */
  #calls(): Record<string, { dense: number; run: number }> {
    const { swift, super: strong } = this.cascade.options;
    const ran = (role: Role) => this.#usages.some((one) => one.role === role);
    const all = this.texts.length;
    const own = { dense: 0, run: ran("swift") ? all : 0 };
    const stronger = { dense: all, run: ran("super") ? this.#hard.length : 0 };
    // Two heads on one embedder are two models with one name.
    if (swift.name === strong.name) return { [strong.name]: { dense: all, run: own.run + stronger.run } };
    return { [swift.name]: own, [strong.name]: stronger };
  }
}
