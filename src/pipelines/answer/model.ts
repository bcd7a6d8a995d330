import type { Prompt } from "../../engine/decode/language-model.ts";
import type { Tool } from "../../engine/decode/tools/tools.ts";
import type { ModelPiece } from "../model.ts";
import type { CallOptions } from "../request.ts";
import type { Facts, Resources } from "../resources.ts";

/** The role of the pipeline's only model. */
export const MODEL = "model";

/** A generative model as this pipeline sees it. */
export interface AnswerModel extends Pick<Facts, "tokenizer" | "context" | "price"> {
  readonly name: string;
  /** The number of tokens in a prompt. */
  count(prompt: Prompt): number;
  generate(prompt: Prompt, options: CallOptions): AsyncIterable<ModelPiece>;
}

/** An index as this pipeline sees it. */
export type PassageSource = NonNullable<Resources["index"]>;

/** A model as this pipeline sees it; `tools` are part of every prompt. */
export async function answerModelOf(name: string, resources: Resources, tools?: readonly Tool[]): Promise<AnswerModel> {
  const { source: _, count, ...facts } = await resources.facts(MODEL);
  return {
    ...{ ...facts, name },
    count: (prompt) => count(prompt, tools),
    generate: (prompt, options) => resources.generate(MODEL, prompt, options),
  };
}
