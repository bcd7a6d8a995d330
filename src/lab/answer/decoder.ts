import { Meter } from "../../engine/bill/meter.ts";
import { generateAll } from "../../engine/decode/answer/batch-generate.ts";
import { generate, generateOptions, type Usage } from "../../engine/decode/answer/generate.ts";
import type { LanguageModel, Prompt } from "../../engine/decode/language-model.ts";
import type { Lease } from "../../engine/decode/run/recipes.ts";
import { effectiveSampling } from "../../engine/decode/sampling/defaults.ts";
import { labelled } from "../../engine/decode/score/labelled.ts";
import { Likelihoods, natsOf, type Pair, type TokenScore } from "../../engine/decode/score/likelihood.ts";
import { blind, encodeWithPlaces, seenPrompt } from "../../engine/decode/vision/seen-prompt.ts";
import { encodePair, encoderOf } from "../../engine/encoders/text/encode-pair.ts";
import type { Request } from "../../engine/schedule/ticket.ts";
import type { VisualSpan } from "../../savings/plan.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import { onceEach } from "../../util/memo.ts";
import { begunAnswer, type PromptForm } from "../../weights/tokenizer/index.ts";
import type { AnswerOf, Continuation, GenerationItem, Item, LabelItem, Likelihood, TextItem } from "../item.ts";
import type { TokenCodec } from "../task.ts";
import type { Answerer, Plan, Reply, Truncation } from "./answerer.ts";
import { cut } from "./cut.ts";
import { bill, sharing, type Whole, wholeOf } from "./pieces.ts";

/** Answers with a language model under a recipe: by the likelihood of given continuations, or by greedy generation. */
export class DecoderAnswerer implements Answerer {
  readonly #start: number;

  private constructor(
    private readonly model: LanguageModel,
    private readonly lease: Lease,
    private readonly likelihoods: Likelihoods,
    private readonly truncate: Truncation | undefined,
  ) {
    this.#start = encoderOf(model).start;
  }

  /** @throws UserError if the model does not support the recipe */
  static async open(model: LanguageModel, recipe: Recipe, truncate: Truncation | undefined): Promise<DecoderAnswerer> {
    const lease = await model.recipes.use(recipe);
    // Other recipes' state must not be reused.
    model.engine.forget();
    return new DecoderAnswerer(model, lease, await Likelihoods.create(model.engine, lease.plan), truncate);
  }

  get tokenizer(): TokenCodec {
    return this.model.tokenizer;
  }

  formOf(prompt: Prompt): PromptForm | undefined {
    return this.model.formOf(prompt);
  }

  countTokens(text: string): number {
    return this.model.encode(text, true).length;
  }

  plan(item: Item): Plan | undefined {
    switch (item.kind) {
      case "choice":
        return this.#choice(item.choices, (likelihoods) => ({ likelihoods }));
      case "continuation":
        return this.#choice([item], ([likelihood]) => likelihood!);
      case "label":
        return this.#label(item);
      case "text":
        return this.#text(item);
      case "generation":
        return this.#generation(item);
      case "ranking":
        throw new UserError(`${this.model.source.name} generates text; a task that ranks documents needs an encoder`);
    }
  }

  #label({ text, labels }: LabelItem): Plan | undefined {
    const pairs = labels.map((label) => labelled(text, label));
    return this.#choice(pairs, (likelihoods) => ({ scores: likelihoods.map((l) => l.logLikelihood) }));
  }

  #choice<A extends AnswerOf["choice" | "continuation" | "label"]>(
    choices: readonly Continuation[],
    answer: (likelihoods: Likelihood[]) => A,
  ): Plan | undefined {
    // Most choices share one context.
    const encode = onceEach((text: string) => this.model.encode(text, true));
    const pairs = choices.map((c) => this.#fitted(encodePair({ encode, start: this.#start }, c)));
    const fitting = pairs.flatMap((pair) => pair ?? []);
    if (fitting.length < pairs.length) return undefined;
    return async (signal) => {
      const meter = new Meter(this.model.engine.programs);
      const scores = await this.likelihoods.ofPairs(fitting, meter, signal);
      return { answer: answer(scores.map(likelihoodOf)), ...bill(meter.total()), ...sharing(meter.spared) };
    };
  }

  /** The last token of a continuation is predicted, but not read. */
  #fitted({ context, continuation }: Pair): Pair | undefined {
    const room = this.model.decoder.config.context + 1 - continuation.length;
    const before = cut(context, room, this.truncate);
    return before && { context: before, continuation };
  }

  /** A text of any length fits, since it is scored in windows. */
  #text({ text }: TextItem): Plan {
    const ids = this.model.tokenizer.encode(text);
    const pieces = windows(ids, this.#start, this.model.decoder.config.context);
    for (const { tokens } of pieces) this.#refuseDropping(tokens.length - 1);
    return async (signal) => {
      const meter = new Meter(this.model.engine.programs);
      let logLikelihood = 0;
      for (const { tokens, from } of pieces)
        logLikelihood += natsOf(await this.likelihoods.ofText(tokens, from, meter, signal));
      return { answer: { logLikelihood, tokens: ids.length }, ...bill(meter.total()) };
    };
  }

  /** @throws UserError if the recipe drops tokens of a prompt this long, since all must be scored */
  #refuseDropping(tokens: number): void {
    const { recipe, plan } = this.lease;
    if (plan(tokens).cuts.every(({ scope }) => scope !== "prompt")) return;
    const named = recipe.map((step) => step.text).join(" ");
    throw new UserError(
      `${named} drops tokens of the prompt, but the "text" task scores every token; use "after-text", which scores only each window's last tokens`,
      2,
    );
  }

  #generation(item: GenerationItem): Plan | undefined {
    const { engine, tokenizer } = this.model;
    if (item.images) return this.#seen(item, item.images);
    const request = this.#request(item);
    if (request === undefined) return undefined;
    const { prompt, options, ...terms } = request;
    return async (signal) => {
      const whole = await wholeOf(generate(engine, tokenizer, prompt, options, { signal, ...terms }));
      return this.#answered(item, whole);
    };
  }

  /** Images are encoded and billed for each item. @throws UserError if the model accepts only text */
  #seen(item: GenerationItem, images: readonly Uint8Array[]): Plan | undefined {
    const { engine, tokenizer, vision } = this.model;
    if (!vision) throw blind(this.model.source.name);
    const length = this.model.encode(item.prompt, true).length + images.length * vision.leastTokens;
    if (length > this.model.decoder.config.context - item.maxTokens) return undefined;
    return async (signal) => {
      const { prompt, options, ...terms } = await this.#seenRequest(item, images);
      return this.#answered(item, await wholeOf(generate(engine, tokenizer, prompt, options, { signal, ...terms })));
    };
  }

  async #seenRequest(item: GenerationItem, images: readonly Uint8Array[]): Promise<Request> {
    this.model.vision?.forget();
    const ids = encodeWithPlaces(this.model, item.prompt, images.length, { raw: true, tools: [] });
    const seen = await seenPrompt(this.model, ids, images);
    return { ...seen, options: optionsOf(item), plan: this.lease.plan(seen.prompt.length, seen.visual), alone: true };
  }

  /** Drops cached prompts first, so that the same items are always batched alike. */
  async together(items: readonly Item[], signal?: AbortSignal): Promise<Reply[]> {
    const { engine, tokenizer } = this.model;
    const fitting: { item: GenerationItem; request: Request }[] = [];
    for (const item of items) {
      if (item.kind !== "generation") continue;
      const request = item.images ? await this.#seenRequest(item, item.images) : this.#request(item);
      if (request) fitting.push({ item, request });
    }
    engine.forget();
    const requests = fitting.map(({ request }) => request);
    const answers = await generateAll(engine, tokenizer, requests, signal);
    return answers.map((answer, i) => this.#answered(fitting[i]!.item, answer));
  }

  #answered(item: GenerationItem, { text, tokens, reason, usage }: Whole): Reply {
    const costs = { ...bill(usage), ...sharing(usage.tokens.cached) };
    if (item.answerTokens === undefined) return { answer: { text }, ...costs };
    const { stopIds } = this.model.tokenizer;
    const ids = tokens.map(({ id }) => id).filter((id) => !stopIds.has(id));
    const { layers } = this.model.decoder.config;
    const stopped = reason === "stopped" && ({ stopped: true } as const);
    return { answer: { text, tokens: ids, layers: meanLayers(layers, usage), ...stopped }, ...costs };
  }

  /** The answer must also fit in the context. */
  #request(item: GenerationItem): Request | undefined {
    const { context } = this.model.decoder.config;
    const ids = cut(this.#promptOf(item), context - item.maxTokens, this.truncate);
    if (!ids) return undefined;
    const options = optionsOf(item);
    const form = item.messages ? ("chat" as const) : ("raw" as const);
    const facts = { form, sampling: effectiveSampling(options), constrained: false, maxTokens: options.maxTokens };
    return { prompt: ids, options, plan: this.lease.plan(ids.length, this.#visualOf(item), facts), alone: true };
  }

  #visualOf({ visual = [] }: GenerationItem): readonly VisualSpan[] {
    const start = this.model.encode("", true).length;
    return visual.map(({ first, grid }) => ({ first: first + start, grid }));
  }

  #promptOf({ prompt, messages, promptTokens, suffix }: GenerationItem): readonly number[] {
    if (messages) return this.model.encode(messages);
    // An empty text encodes to only the model's start tokens.
    if (promptTokens) return [...this.model.encode("", true), ...promptTokens];
    const fills = suffix !== undefined && this.model.tokenizer.fim !== undefined;
    return fills ? this.model.encodeAround(prompt, suffix) : this.model.encode(prompt, true);
  }

  /** The caller disposes of the model. */
  [Symbol.dispose](): void {
    this.likelihoods[Symbol.dispose]();
    this.lease[Symbol.dispose]();
  }
}

const optionsOf = ({ stop, maxTokens, messages }: GenerationItem) => ({
  ...generateOptions.parse({ maxTokens, stop: [...stop], repetitionDetection: false }),
  continues: messages !== undefined && begunAnswer(messages) !== undefined,
});

const likelihoodOf = (tokens: readonly TokenScore[]): Likelihood => ({
  logLikelihood: natsOf(tokens),
  greedy: tokens.every(({ nats, best }) => nats === best),
  tokens: tokens.length,
});

/** Mean number of layers per generated token; all layers if no saving counted them. */
export function meanLayers(layers: number, { work }: Pick<Usage, "work">): number {
  const { dense, run } = work["layers"] ?? { dense: 1, run: 1 };
  return (layers * run) / dense;
}

/** A window of a text; its tokens from index `from` on are scored. */
interface Window {
  readonly tokens: readonly number[];
  readonly from: number;
}

/**
 * Splits a text into windows of the context's length that predict each token once: the first starts with the start
 * token, each later window with the token before it, and the last window, if shorter, with as much earlier text as fits
 * (lm-evaluation-harness's rolling windows).
 */
export function windows(text: readonly number[], start: number, context: number): Window[] {
  const all = [start, ...text];
  const windows: Window[] = [];
  for (let at = 1; at < all.length; at += context) {
    const end = Math.min(at + context, all.length);
    const first = Math.max(0, Math.min(at - 1, end - 1 - context));
    windows.push({ tokens: all.slice(first, end), from: at - first });
  }
  return windows;
}
