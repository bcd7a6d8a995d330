import type { AnswerMarks, ChatMessage } from "../../../weights/tokenizer/index.ts";
import { CLOSE, OPEN, type Tool } from "./tools.ts";

/** True if a chat template writes tools and calls in a supported format. */
export const knowsCalls = (template: string, marks?: AnswerMarks): boolean =>
  (marks === "harmony" || template.includes(OPEN)) && /\btools\b/.test(template);

/** Functions for harmony's templates: each with a description. */
export const harmonyTools = (tools: readonly Tool[]): Tool[] =>
  tools.map((tool) => ({ ...tool, function: { ...tool.function, description: tool.function.description ?? "" } }));

/** Turns for harmony's templates: reasoning becomes `thinking`; in a turn with calls, it replaces the text. */
export const harmonyTurns = (turns: readonly ChatMessage[]): ChatMessage[] =>
  turns.map(({ reasoning_content: thinking, ...turn }) => {
    if (thinking === undefined) return turn as ChatMessage;
    return { ...turn, thinking, ...(turn["tool_calls"] !== undefined && { content: "" }) } as ChatMessage;
  });

/**
 * The turns of a chat with tools for a model whose template has none: functions in the system turn, calls and results
 * as text.
 */
export function plainTurns(messages: readonly ChatMessage[], tools: readonly Tool[]): ChatMessage[] {
  return joined(withToolsInSystem(messages, tools).map(plainTurn));
}

function withToolsInSystem(messages: readonly ChatMessage[], tools: readonly Tool[]): ChatMessage[] {
  if (tools.length === 0) return [...messages];
  const [first, ...rest] = messages;
  const text = described(tools);
  if (first?.role !== "system") return [{ role: "system", content: text }, ...messages];
  return [{ role: "system", content: `${first.content}\n\n${text}` }, ...rest];
}

function described(tools: readonly Tool[]): string {
  const functions = tools.map(({ function: it }) => JSON.stringify(it)).join("\n");
  return `You can call these functions, given as JSON with a schema of their arguments:
${functions}
To call one, write ${OPEN}
{"name": "its name", "arguments": {…}}
${CLOSE} and stop. Its result comes between <tool_response> and </tool_response>.`;
}

function plainTurn(turn: ChatMessage): ChatMessage {
  if (turn.role === "tool") return { role: "user", content: `<tool_response>\n${turn.content}\n</tool_response>` };
  const calls = (turn["tool_calls"] ?? []) as { function: { name: string; arguments: object } }[];
  if (calls.length === 0) return turn;
  const texts = calls.map(({ function: { name, arguments: args } }) =>
    [OPEN, JSON.stringify({ name, arguments: args }), CLOSE].join("\n"),
  );
  return { role: turn.role, content: [turn.content, ...texts].filter((text) => text).join("\n") };
}

/** Templates expect alternating turns: adjacent results become one turn. */
function joined(turns: readonly ChatMessage[]): ChatMessage[] {
  const all: ChatMessage[] = [];
  for (const turn of turns) {
    const last = all.at(-1);
    if (last?.role === "user" && turn.role === "user") last.content = `${last.content}\n${turn.content}`;
    else all.push({ ...turn });
  }
  return all;
}
