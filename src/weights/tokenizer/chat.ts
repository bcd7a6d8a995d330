import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { answerMarks, beforeBegun } from "./answer-marks.ts";
import { type Json, PlainText } from "./plain-text.ts";
import { type Gap, type Segment, tokenTexts, withGaps } from "./segments.ts";
import { renderTemplate } from "./template.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** One turn of a chat; other fields (tool calls, names) are passed to the template. */
export interface ChatMessage {
  role: string;
  content: Json;
  [field: string]: Json;
}

interface Turns {
  /** True to end the prompt with the start of the assistant's answer. */
  addGenerationPrompt: boolean;
  /**
   * Functions that the model may call, in the format of OpenAI and Hugging Face: `{ type: "function", function: { name,
   * description, parameters } }`.
   */
  tools?: readonly Json[] | undefined;
  /** Other variables of the template, such as Qwen3's `enable_thinking`. */
  variables?: TemplateVariables | undefined;
  /** Text that the model's processor inserts around one of the template's tokens. */
  gap?: Gap | undefined;
}

/** Variables of a chat template by name. */
export type TemplateVariables = Readonly<Record<string, Json>>;

export interface ChatOptions extends Turns {
  /** The special tokens' texts; in the result, only special tokens that the template wrote count as special. */
  specialTokens: readonly string[];
  bos?: string | undefined;
  eos?: string | undefined;
}

/**
 * Renders a chat with its Jinja template (Hugging Face's conventions: `messages`, `tools`, `add_generation_prompt`,
 * `bos_token`, `eos_token`). Special tokens typed by a user stay plain text: no special segment contains a character of
 * the messages, except for roles and types. @throws UserError if the template fails or refuses the chat
 */
export function renderChat(template: string, messages: readonly ChatMessage[], options: ChatOptions): Segment[] {
  messages.forEach(checkRole);
  const specialTokens = tokenTexts(options.specialTokens);
  const { tools = null, variables = {} } = options;
  const plain = new PlainText(specialTokens, template + JSON.stringify([messages, tools, variables]));
  const rendered = renderTemplate(template, {
    ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, plain.guard(value)])),
    messages: messages.map((message) => plain.guard(message)),
    tools: plain.guard(tools),
    documents: null,
    add_generation_prompt: options.addGenerationPrompt,
    bos_token: options.bos ?? "",
    eos_token: options.eos ?? "",
  });
  return specialTokens.split(rendered).map(({ text, special }) => ({ text: plain.unguard(text), special }));
}

/** Renders a chat with the model's own template. @throws UserError like `renderChat`, or without a template */
export function chatSegments(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  { addGenerationPrompt, tools, variables, gap }: Turns,
): Segment[] {
  const { path, templates, specialTokens, bos, eos } = tokenizer;
  const template = (tools && templates.tools) ?? templates.chat;
  if (template === undefined) {
    throw new UserError(`${path}: the model has no chat template (tokenizer.chat_template); give it a plain prompt`);
  }
  const text = (id: number | undefined) => (id === undefined ? undefined : tokenizer.text(id));
  const options = { addGenerationPrompt, tools, variables, specialTokens, bos: text(bos), eos: text(eos) };
  const segments = renderChat(template, messages, options);
  return gap ? withGaps(segments, gap) : segments;
}

/** Encodes a chat with the model's own template; a last turn by the assistant is the beginning of the answer. */
export function encodeChat(tokenizer: Tokenizer, messages: readonly ChatMessage[], turns: Turns): number[] {
  const begun = turns.addGenerationPrompt ? begunAnswer(messages) : undefined;
  if (begun === undefined) return tokenizer.encodeSegments(chatSegments(tokenizer, messages, turns));
  const before = chatSegments(tokenizer, messages.slice(0, -1), turns);
  const between = beforeBegun(answerMarks(tokenizer), before.map(({ text }) => text).join(""), begun);
  const written = between === "" ? [] : tokenTexts(tokenizer.specialTokens).split(between);
  return tokenizer.encodeSegments(extended(written.reduce(joined, before), begun));
}

/** The last turn's text, if that turn is an assistant's answer without a call. */
export function begunAnswer(messages: readonly ChatMessage[]): string | undefined {
  const last = messages.at(-1);
  if (messages.length < 2 || last?.role !== "assistant" || last["tool_calls"] !== undefined) return undefined;
  const parts = z.array(z.object({ type: z.literal("text"), text: z.string() })).safeParse(last.content);
  if (parts.success) return parts.data.map(({ text }) => text).join("");
  return typeof last.content === "string" ? last.content : undefined;
}

/** Appends plain text to segments. */
const extended = (segments: readonly Segment[], text: string): Segment[] => joined(segments, { text, special: false });

/** Appends one segment. Adjacent plain texts become one segment, because no token spans two segments. */
function joined(segments: readonly Segment[], next: Segment): Segment[] {
  const last = segments.at(-1);
  if (!last || last.special || next.special) return [...segments, next];
  return [...segments.slice(0, -1), { text: last.text + next.text, special: false }];
}

/** Templates write the role between the halves of a special token (`'<|' + role + '|>'`), so it must be a word. */
function checkRole({ role }: ChatMessage, index: number): void {
  if (/^[a-z][a-z0-9_-]*$/i.test(role)) return;
  throw new UserError(`messages[${index}] has the role ${JSON.stringify(role)}, expected a word such as "user"`);
}
