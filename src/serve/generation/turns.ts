import { z } from "zod";
import type { ChatMessage } from "../../index.ts";
import type { Json } from "../../weights/tokenizer/index.ts";
import { HttpError } from "../http/errors.ts";
import { toolCallSchema } from "./tools.ts";

const part = z.object({
  type: z.literal("text", 'expected "text", the only kind of part that is read'),
  text: z.string(),
});
const content = z.union([z.string(), z.array(part)], 'expected a text, or a list of parts { type: "text", text }');

/** A turn of a chat, as OpenAI writes it. */
export const message = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: content.nullish(),
  name: z.string().max(200).nullish(),
  tool_calls: z.array(toolCallSchema, "expected a list of calls").nullish(),
  tool_call_id: z.string().nullish(),
});
type Message = z.output<typeof message>;

/** A turn as templates have it. */
type Turn = ChatMessage & { content: string };

/** @throws HttpError 400 where a turn lacks its content, or a tool answers what was not called */
export function turnsOf(messages: readonly Message[]): Turn[] {
  let called: readonly string[] = [];
  return messages.map((message, at) => {
    if (message.role === "tool") checkAnswer(message, called, at);
    else called = (message.tool_calls ?? []).map(({ id }) => id);
    if (typeof message.content !== "string" && !message.content && !(message.role === "assistant" && called.length > 0))
      throw wrong(`messages.${at}.content`, "expected a text, got none");
    return turn(message, at);
  });
}

function checkAnswer({ tool_call_id: id }: Message, called: readonly string[], at: number): void {
  if (typeof id === "string" && called.includes(id)) return;
  throw wrong(`messages.${at}.tool_call_id`, "expected the id of a call in the assistant's turn before it");
}

const wrong = (field: string, sentence: string) => new HttpError(400, `${field}: ${sentence}`, { param: field });

/** Templates know no developers: that is what OpenAI calls the system of some of its models. */
function turn({ role, content, name, tool_calls: calls }: Message, at: number): Turn {
  const text = typeof content === "string" ? content : (content ?? []).map((p) => p.text).join("");
  return {
    role: role === "developer" ? "system" : role,
    content: text,
    ...(role === "tool" && typeof name === "string" && { name }),
    ...(calls && calls.length > 0 && { tool_calls: calls.map((call) => withArguments(call, at)) }),
  };
}

/** Templates write arguments as JSON themselves. */
function withArguments(call: z.output<typeof toolCallSchema>, at: number): Json {
  try {
    return { ...call, function: { ...call.function, arguments: JSON.parse(call.function.arguments) as Json } };
  } catch {
    throw wrong(`messages.${at}.tool_calls`, "expected arguments that are JSON");
  }
}
