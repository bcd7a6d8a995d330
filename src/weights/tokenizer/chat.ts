import { Template } from "@huggingface/jinja";
import { UserError } from "../../util/errors.ts";
import { type Json, PlainText } from "./plain-text.ts";
import { type Segment, splitAt } from "./segments.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** One turn of a chat; fields beyond these (tool calls, names) are the template's business. */
export interface ChatMessage {
  role: string;
  content: Json;
  [field: string]: Json;
}

export interface ChatOptions {
  /** End with the beginning of the assistant's answer. */
  addGenerationPrompt: boolean;
  /** Texts of the special tokens; in the result only the template's own stand for themselves. */
  specialTokens: readonly string[];
  bos?: string | undefined;
  eos?: string | undefined;
}

/**
 * The chat as its Jinja template writes it (Hugging Face's conventions: `messages`, `add_generation_prompt`, `bos_token`, `eos_token`).
 * Special tokens that a user typed are plain text in it: no special segment holds a character of the messages, but for roles and types.
 * Throws a `UserError` when the template fails or refuses the chat.
 */
export function renderChat(template: string, messages: readonly ChatMessage[], options: ChatOptions): Segment[] {
  messages.forEach(checkRole);
  const plain = new PlainText(options.specialTokens, template + JSON.stringify(messages));
  const rendered = render(template, {
    messages: messages.map((message) => plain.guard(message)),
    add_generation_prompt: options.addGenerationPrompt,
    bos_token: options.bos ?? "",
    eos_token: options.eos ?? "",
  });
  return splitAt(rendered, options.specialTokens).map(({ text, special }) => ({ text: plain.unguard(text), special }));
}

/** Ids of a chat, by the model's own template. */
export function encodeChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  { addGenerationPrompt }: { addGenerationPrompt: boolean },
): number[] {
  const { path, chatTemplate, specialTokens, bos, eos } = tokenizer;
  if (chatTemplate === undefined) {
    throw new UserError(`${path}: the model has no chat template (tokenizer.chat_template), give it a plain prompt`);
  }
  const text = (id: number | undefined) => (id === undefined ? undefined : tokenizer.text(id));
  const options = { addGenerationPrompt, specialTokens, bos: text(bos), eos: text(eos) };
  return tokenizer.encodeSegments(renderChat(chatTemplate, messages, options));
}

/** Templates write the role between the halves of a special token (`'<|' + role + '|>'`), so it must be a word. */
function checkRole({ role }: ChatMessage, index: number): void {
  if (/^[a-z][a-z0-9_-]*$/i.test(role)) return;
  throw new UserError(`messages[${index}] has the role ${JSON.stringify(role)}, expected a word such as "user"`);
}

function render(template: string, variables: Record<string, unknown>): string {
  try {
    return new Template(template).render(variables);
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split("\n");
    throw new UserError(`the chat template cannot write this chat: ${reason}`);
  }
}
