import { UserError } from "../../util/errors.ts";
import { type ChatMessage, type PromptForm, type Tokenizer, templateHash } from "../../weights/tokenizer/index.ts";
import type { NamedRecord } from "../file/adapters.ts";
import type { Tool } from "./tools/tools.ts";

/** A prompt: a text, the turns of a chat, or token ids, which are used unchanged. */
export type Prompt = string | readonly ChatMessage[] | readonly number[];

export const isIds = (prompt: Prompt): prompt is readonly number[] => typeof prompt[0] === "number";

/** A text as one user turn; turns are returned unchanged. */
export const turnsOf = (prompt: string | readonly ChatMessage[]): readonly ChatMessage[] =>
  typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;

/**
 * The format of a prompt; undefined for ids, which are used unchanged. The caller's `raw` takes precedence, then the
 * adapter's record; otherwise, a text is one user turn if the model has a chat format. Turns become plain text only for
 * an adapter trained on it.
 */
export function promptFormOf(
  prompt: Prompt,
  { chatTemplate }: Pick<Tokenizer, "chatTemplate">,
  raw: boolean | undefined,
  adapter: NamedRecord | undefined,
): PromptForm | undefined {
  if (isIds(prompt)) return undefined;
  if (typeof prompt !== "string") return adapter?.prompt === "raw" && raw !== false ? "raw" : "chat";
  return (raw ?? adapter?.prompt === "raw") || chatTemplate === undefined ? "raw" : "chat";
}

/** The text of a chat for an adapter trained on plain text. @throws UserError if it is more than one user turn of text */
export function plainTextOf(turns: readonly ChatMessage[], tools: readonly Tool[], adapter: NamedRecord): string {
  const more = moreThanText(turns, tools);
  if (more === undefined) return turns[0]!.content as string;
  throw new UserError(
    `the adapter "${adapter.name}" was trained on plain text: expected one user turn of text, got ${more}`,
    2,
  );
}

function moreThanText(turns: readonly ChatMessage[], tools: readonly Tool[]): string | undefined {
  if (tools.length > 0) return "tools";
  if (turns.length !== 1) return `${turns.length} turns`;
  const { role, content } = turns[0]!;
  if (role !== "user") return `a turn of role ${role}`;
  return typeof content === "string" ? undefined : "a turn with an image or other parts";
}

/**
 * A notice for an adapter trained with a different chat template; undefined if the template is the same. The model's
 * own template is used: adapters do not include their template's text.
 */
export function otherTemplate(
  { name, prompt, template }: NamedRecord,
  model: string,
  tokenizer: Tokenizer,
): string | undefined {
  if (prompt === "raw" || template === templateHash(tokenizer)) return undefined;
  return `the adapter "${name}" was trained with a different chat template, but the template of ${model} is used: answers may be worse`;
}
