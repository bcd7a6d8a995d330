import { generateOptions } from "../../engine/decode/answer/generate.ts";
import type { Seq2SeqModel } from "../../engine/seq2seq/seq2seq-model.ts";
import { UserError } from "../../util/errors.ts";
import type { Item } from "../item.ts";
import type { Answerer, Plan, Truncation } from "./answerer.ts";
import { cut } from "./cut.ts";
import { collected } from "./pieces.ts";

/** A text-to-text model answers with its output for the prompt. */
export class Seq2SeqAnswerer implements Answerer {
  constructor(
    private readonly model: Seq2SeqModel,
    private readonly truncate: Truncation | undefined,
  ) {}

  countTokens(text: string): number {
    return this.model.tokenizer.input(text).ids.length;
  }

  plan(item: Item): Plan | undefined {
    if (item.kind !== "generation")
      throw new UserError(
        `${this.model.source.name} turns one text into another; the task's kind is ${item.kind}, expected generation`,
      );
    const { ids } = this.model.tokenizer.input(item.prompt);
    const fitting = cut(ids, this.model.model.config.context, this.truncate);
    const options = generateOptions.parse({
      maxTokens: item.maxTokens,
      stop: [...item.stop],
      repetitionDetection: false,
    });
    return fitting && ((signal) => collected(this.model.generate(fitting, options, { signal })));
  }

  /** The caller disposes of the model. */
  [Symbol.dispose](): void {}
}
