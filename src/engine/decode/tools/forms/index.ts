import { jsonIn } from "../../../../weights/json.ts";
import type { ChatMessage, Tokenizer } from "../../../../weights/tokenizer/index.ts";
import { cohereCalls } from "./cohere.ts";
import { deepSeekCalls } from "./deepseek.ts";
import type { CallForm } from "./form.ts";
import { gemma4Calls } from "./gemma4.ts";
import { glmCalls } from "./glm.ts";
import { lfm2Calls } from "./lfm2.ts";
import { llama4Calls } from "./llama4.ts";
import { qwen3CoderCalls } from "./qwen3-coder.ts";

/** Every call format except the usual one, one per line. */
const forms: readonly CallForm[] = [
  cohereCalls,
  deepSeekCalls,
  gemma4Calls,
  glmCalls,
  lfm2Calls,
  llama4Calls,
  qwen3CoderCalls,
];

/** The part of a tokenizer that identifies a model's call format. */
export type Vocabulary = Pick<Tokenizer, "templates" | "specialId">;

/** The template that formats chats with tools. */
export const toolTemplate = ({ templates }: Vocabulary): string => templates.tools ?? templates.chat ?? "";

/** The format in which a model writes calls; undefined if it is the usual one, or if the chat template has no tools. */
export function callFormOf(tokenizer: Vocabulary): CallForm | undefined {
  const template = toolTemplate(tokenizer);
  if (!/\btools\b/.test(template)) return undefined;
  return forms.find(({ matches }) => matches(template, (text) => tokenizer.specialId(text) !== undefined));
}

/** A format's special tokens, which are kept in the text of an answer that may contain calls. */
export const callTokensOf = ({ open, close, inside = [] }: CallForm, tokenizer: Vocabulary): ReadonlySet<number> =>
  new Set([open, close, ...inside].map((text) => tokenizer.specialId(text)).filter((id) => id !== undefined));

interface EarlierCall {
  readonly function: { readonly name: string; readonly arguments: unknown };
}

/** Earlier turns, as this format's template expects them. */
export function turnsIn(form: CallForm, template: string, turns: readonly ChatMessage[]): readonly ChatMessage[] {
  return (form.turns?.(template, turns) ?? turns).map((turn) => {
    const calls = (turn["tool_calls"] ?? []) as unknown as readonly EarlierCall[];
    if (calls.length === 0) return turn;
    if (form.write && !template.includes("tool_calls"))
      return { ...turn, content: (turn.content ?? "") + form.write(calls.map((call) => withValues(call.function))) };
    return form.argumentsAsText ? ({ ...turn, tool_calls: calls.map(withText) } as ChatMessage) : turn;
  });
}

const withValues = ({ name, arguments: values }: EarlierCall["function"]) => ({
  name,
  arguments: (typeof values === "string" ? jsonIn(values) : values) ?? {},
});

const withText = ({ function: { arguments: values, ...rest }, ...call }: EarlierCall) => ({
  ...call,
  function: { ...rest, arguments: typeof values === "string" ? values : JSON.stringify(values) },
});
