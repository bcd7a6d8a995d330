import { checkPlace, type Place, splitAt } from "../engine/decode/completion/place.ts";
import { endIn, type Scope, scopeOf, trimmed } from "../engine/decode/completion/scope.ts";
import { windowOf } from "../engine/decode/completion/window.ts";
import type { LanguageModel } from "../engine/decode/language-model.ts";
import type { Receipt } from "../ledger/receipt.ts";
import { UserError } from "../util/errors.ts";
import type { CompleteAtTerms } from "./arguments.ts";
import type { Model } from "./model.ts";
import type { CodeCompletion } from "./options.ts";

/** Maximum tokens to read before and after the cursor. */
const [BEFORE, AFTER] = [1024, 256];
/** The largest share of a model's context for these tokens, so that a short context leaves room for the answer. */
const SHARE = 0.75;

/** The text around the cursor that a model reads, and where its completion ends. */
export interface CompletionPrompt {
  readonly prompt: string;
  /** Undefined for models that cannot infill. */
  readonly suffix: string | undefined;
  readonly scope: Scope;
}

/** @throws UserError if the cursor is outside the text, or the model cannot read the text around it */
export function promptAt({ tokenizer, decoder, source }: LanguageModel, text: string, place: Place): CompletionPrompt {
  checkPlace(text, place);
  const split = splitAt(text, place);
  const most = Math.floor(decoder.config.context * SHARE);
  const fills = tokenizer.fim !== undefined;
  const budget = { before: Math.min(BEFORE, fills ? Math.ceil(most * 0.8) : most), after: Math.min(AFTER, most * 0.2) };
  const { before, after } = windowOf(split, budget, (part) => tokenizer.encode(part).length);
  if (before === "" && !fills)
    throw new UserError(`there is no text before the cursor, and ${source.name} cannot read the text after it`);
  return { prompt: before, suffix: fills ? after : undefined, scope: scopeOf(split) };
}

/** Completes a text at a cursor; stops the model where the line or block ends. */
export async function completeAt(
  model: Pick<Model, "language" | "generate">,
  text: string,
  { line, column, onStopped, signal, ...terms }: CompleteAtTerms,
): Promise<CodeCompletion> {
  const { prompt, suffix, scope } = promptAt(model.language, text, { line, column });
  let whole = "";
  let finalReceipt: Receipt | undefined;
  const isOver = () => endIn(whole, scope) !== undefined;
  const reportReceipt = (receipt: Receipt) => {
    finalReceipt = receipt;
    if (!isOver()) onStopped?.(receipt);
  };
  const options = { ...terms, raw: true, suffix, onStopped: reportReceipt, ...(signal && { signal }) };
  for await (const piece of model.generate(prompt, options)) {
    whole += piece.text;
    const { finishReason, receipt } = piece;
    if (finishReason && receipt)
      return { text: trimmed(whole, scope), stopped: finishReason === "stopped", finishReason, receipt };
    if (isOver()) break;
  }
  if (!finalReceipt) throw new Error("a completion ended without its receipt");
  return { text: trimmed(whole, scope), stopped: false, finishReason: "stop", receipt: finalReceipt };
}
