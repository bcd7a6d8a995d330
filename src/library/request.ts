import { grammarOf } from "../engine/grammar/index.ts";
import { isIds, type LanguageModel, type Prompt } from "../engine/language-model.ts";
import { Seq2SeqModel } from "../engine/seq2seq-model.ts";
import type { Request } from "../engine/ticket.ts";
import { type Calling, callingOf } from "../engine/tools/calling.ts";
import { UserError } from "../util/errors.ts";
import type { Asked } from "./arguments.ts";
import type { Model } from "./model.ts";

/** What is asked of a model that generates: text as ids, and what the answer is held to. @throws UserError when the model has no such adapter, or what is asked for does not go together */
export async function requestOf(
  model: Pick<Model, "loaded" | "language">,
  prompt: Prompt,
  asked: Asked,
): Promise<Request> {
  const { adapter, raw = false, suffix, format, tools, toolChoice, parallelToolCalls, ...rest } = asked;
  if (prompt.length === 0) throw new UserError("the prompt is empty, expected at least one token");
  const calling = callingOf({ format, tools, toolChoice, parallelToolCalls });
  const loaded = model.loaded instanceof Seq2SeqModel ? model.loaded : model.language;
  const ids =
    loaded instanceof Seq2SeqModel ? readBy(loaded, prompt, asked) : idsOf(loaded, prompt, { raw, suffix }, calling);
  const continues = !(loaded instanceof Seq2SeqModel) && (isIds(prompt) || (raw && typeof prompt === "string"));
  const grammar = calling.format === undefined ? undefined : await grammarOf(calling.format, loaded.tokenizer);
  const engine = adapter === undefined ? undefined : model.language.engineFor(adapter);
  return { prompt: ids, options: { ...rest, continues, grammar, trigger: calling.trigger }, engine };
}

/** An encoder foretells nothing of what it reads. */
function readBy(model: Seq2SeqModel, prompt: Prompt, { suffix, promptLogprobs, maxTokens }: Asked): number[] {
  if (suffix !== undefined || promptLogprobs !== undefined || maxTokens === 0)
    throw new UserError(
      `${model.source.name} turns one text into another; expected no suffix, no promptLogprobs, and at least 1 for maxTokens`,
      2,
    );
  return model.encode(prompt);
}

type Taken = Pick<Asked, "suffix"> & { readonly raw: boolean };

function idsOf(language: LanguageModel, prompt: Prompt, { raw, suffix }: Taken, { tools, begin }: Calling): number[] {
  language.checkText(prompt);
  if (suffix) language.checkText(suffix);
  const ids = suffix ? language.encodeAround(prompt, suffix) : language.encode(prompt, raw, tools);
  return [...ids, ...language.tokenizer.encode(begin)];
}
