import { z } from "zod";
import type { LanguageModel, Prompt } from "../../engine/decode/language-model.ts";
import { Model } from "../../library/model.ts";
import { type OpenedPipeline, openNamed } from "../../library/text-pipeline.ts";
import type { Pipeline } from "../../pipelines/pipeline.ts";
import type { NamedText } from "../../pipelines/text-pipeline.ts";
import type { Step } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import type { GenerationItem, Item } from "../item.ts";
import type { Answerer, Answering, Plan, Reply, Truncation } from "./answerer.ts";
import { DecoderAnswerer } from "./decoder.ts";
import { bill } from "./pieces.ts";

/** A pipeline as a recipe of the lab, compared with dense. */
export const pipelineStep = ({ name, summary }: Pipeline, text: string): Step => ({
  ...{ text, options: {} },
  saving: {
    ...{ name, group: "output", summary, needs: [], options: z.unknown() },
    unsupported: () => undefined,
    seams: () => [],
    check: async () => {},
    prepare: async () => undefined,
  },
});

/**
 * Answers with a pipeline or, for dense, with `loaded` alone, the model in the pipeline's dense role. Loads the other
 * models by name.
 */
export async function pipelineAnswering(
  loaded: LanguageModel,
  named: NamedText,
  truncate: Truncation | undefined,
  form: Quant,
): Promise<Answering> {
  const quant = form === "auto" ? {} : { quant: form };
  const opened = await openNamed(named, quant, {
    [named.pipeline.dense]: await Model.open(loaded, [], performance.now()),
  });
  return {
    async under(recipe) {
      const dense = await DecoderAnswerer.open(loaded, [], truncate);
      return recipe.length === 0 ? dense : new PipelineAnswerer(opened, dense);
    },
    [Symbol.dispose]: () => opened.dispose(),
  };
}

/** Answers items with a pipeline's text. */
class PipelineAnswerer implements Answerer {
  readonly tokenizer;

  constructor(
    private readonly opened: OpenedPipeline,
    /** Tells which items fit. */
    private readonly dense: DecoderAnswerer,
  ) {
    this.tokenizer = dense.tokenizer;
  }

  formOf(prompt: Prompt) {
    return this.dense.formOf(prompt);
  }

  countTokens(text: string): number {
    return this.dense.countTokens(text);
  }

  plan(item: Item): Plan | undefined {
    const { name } = this.opened;
    if (item.kind !== "generation")
      throw new UserError(`${name} answers with text; the task's kind is ${item.kind}, expected generation`);
    if (item.images || item.suffix !== undefined || item.promptTokens)
      throw new UserError(`${name} answers only text prompts; the task has images, tokens or gaps to fill`);
    return this.dense.plan(item) && ((signal) => this.#answer(item, signal));
  }

  /** No item reuses an earlier item's cache. All items share one seed. */
  async #answer({ prompt, messages, stop, maxTokens }: GenerationItem, signal?: AbortSignal): Promise<Reply> {
    for (const { loaded } of Object.values(this.opened.models)) if (loaded.kind === "decoder") loaded.engine.forget();
    const drawing = { temperature: 0, seed: 0, repetitionDetection: false };
    const options = { maxTokens, stop: [...stop], ...drawing, raw: messages === undefined, ...(signal && { signal }) };
    const { text, receipt } = await this.opened.complete(messages ?? prompt, options);
    return { answer: { text }, ...bill(receipt) };
  }

  /** The caller disposes of the models. */
  [Symbol.dispose](): void {
    this.dense[Symbol.dispose]();
  }
}
