import { UserError } from "../../util/errors.ts";
import { type ChatMessage, chatSegments } from "./chat.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The texts around the turns of a chat. */
interface Turns {
  readonly system: readonly [before: string, behind: string];
  readonly user: readonly [before: string, behind: string];
  readonly answer: readonly [before: string, behind: string];
  /** The default system message. */
  readonly usual: string | undefined;
}

/**
 * Writes Ollama's Modelfile; `from` names the files. A GGUF's tokenizer adds its chat template, in Ollama's own
 * language, and the stop strings.
 */
export function modelfile(from: readonly string[], tokenizer: Tokenizer | undefined): string {
  return `${[...from, ...(tokenizer ? chatLines(tokenizer) : [])].join("\n")}\n`;
}

function chatLines(tokenizer: Tokenizer): string[] {
  const turns = tokenizer.templates.chat === undefined ? undefined : turnsOf(tokenizer);
  const stops = [...tokenizer.stopIds].map((id) => `PARAMETER stop ${JSON.stringify(tokenizer.text(id))}`);
  return [...(turns ? templateLines(turns) : [NO_TEMPLATE]), ...stops];
}

const NO_TEMPLATE = "# No TEMPLATE: the chat template, if there is one, is the GGUF's tokenizer.chat_template.";

function templateLines({ system, user, answer, usual }: Turns): string[] {
  const around = ([before, behind]: readonly [string, string], name: string) => `${before}{{ .${name} }}${behind}`;
  const optional = (turn: readonly [string, string], name: string) => `{{ if .${name} }}${around(turn, name)}{{ end }}`;
  const text = optional(system, "System") + optional(user, "Prompt") + around(answer, "Response");
  return [`TEMPLATE """${text}"""`, ...(usual === undefined ? [] : [`SYSTEM """${usual}"""`])];
}

/** Placeholder contents that no template contains. */
const [SYSTEM, USER, ANSWER, NEXT] = ["\u2460s\u2460", "\u2461u\u2461", "\u2462a\u2462", "\u2463n\u2463"] as const;
const message = (role: string, content: string): ChatMessage => ({ role, content });

/** The texts that a template puts around turns, found in rendered chats; undefined if they vary. */
function turnsOf(tokenizer: Tokenizer): Turns | undefined {
  const bos = tokenizer.addBos && tokenizer.bos !== undefined ? tokenizer.text(tokenizer.bos) : "";
  const write = (messages: readonly ChatMessage[], addGenerationPrompt: boolean) => {
    const segments = chatSegments(tokenizer, messages, { addGenerationPrompt });
    const text = segments.map((segment) => segment.text).join("");
    // Ollama adds bos itself.
    return text.startsWith(bos) ? text.slice(bos.length) : text;
  };
  const [system, user, answer] = [message("system", SYSTEM), message("user", USER), message("assistant", ANSWER)];
  try {
    const chat = split(write([system, user, answer, message("user", NEXT)], true), [SYSTEM, USER, ANSWER, NEXT]);
    const question = split(write([user], false), [USER]);
    const exchange = split(write([user, answer], false), [USER, ANSWER]);
    const plain = split(write([user], true), [USER]);
    return chat && question && exchange && plain && turnsIn(chat, question[1]!, exchange[2]!, plain);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Splits a text at the given parts; undefined if one is missing. */
function split(text: string, parts: readonly string[]): string[] | undefined {
  const pieces: string[] = [];
  let rest = text;
  for (const part of parts) {
    const at = rest.indexOf(part);
    if (at < 0) return undefined;
    pieces.push(rest.slice(0, at));
    rest = rest.slice(at + part.length);
  }
  return [...pieces, rest];
}

/**
 * `chat`: the texts around a system message, a question, an answer and a second question; `behindUser`,
 * `behindAnswer`: the end of a turn; `plain`: the texts around a single question.
 */
function turnsIn(
  [beforeSystem, toUser, toAnswer, toNext, toSecond]: readonly string[],
  behindUser: string,
  behindAnswer: string,
  [beforePlain, behindPlain]: readonly string[],
): Turns | undefined {
  if (!toNext!.startsWith(behindAnswer) || !toAnswer!.startsWith(behindUser)) return undefined;
  const beforeUser = toNext!.slice(behindAnswer.length);
  const beforeAnswer = toAnswer!.slice(behindUser.length);
  if (beforeUser === "" || !toUser!.endsWith(beforeUser)) return undefined;
  const behindSystem = toUser!.slice(0, -beforeUser.length);
  const open = behindUser + beforeAnswer;
  if (toSecond !== open || behindPlain !== open) return undefined;
  const [head, tail] = [beforeSystem!, behindSystem + beforeUser];
  const isUsual = beforePlain!.startsWith(head) && beforePlain!.endsWith(tail);
  if (beforePlain !== beforeUser && !isUsual) return undefined;
  const usual = beforePlain === beforeUser ? undefined : beforePlain!.slice(head.length, -tail.length);
  const all = [head, behindSystem, beforeUser, behindUser, beforeAnswer, behindAnswer, usual ?? ""];
  // `{{` and `"""` have a meaning in Ollama's own formats.
  if (all.some((text) => text.includes("{{") || text.includes('"""'))) return undefined;
  return {
    ...{ system: [head, behindSystem], user: [beforeUser, behindUser], answer: [beforeAnswer, behindAnswer] },
    usual,
  };
}
