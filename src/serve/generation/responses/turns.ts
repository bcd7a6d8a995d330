import type { z } from "zod";
import type { message } from "../turns.ts";
import type { Content, Item } from "./items.ts";

type Turn = z.output<typeof message>;

/** A chat's turns, and the request field that each comes from. */
export interface Turns {
  readonly messages: Turn[];
  readonly fields: string[];
}

/** Converts instructions and input to a chat's turns. */
export function turnsIn(input: string | readonly Item[], instructions: string | null | undefined): Turns {
  const turns: Turns = { messages: [], fields: [] };
  const add = (turn: Turn, field: string) => {
    turns.messages.push(turn);
    turns.fields.push(field);
  };
  if (typeof instructions === "string") add({ role: "system", content: instructions }, "instructions");
  if (typeof input === "string") add({ role: "user", content: input }, "input");
  else
    for (const [i, item] of input.entries()) if (!joined(turns.messages.at(-1), item)) add(turnOf(item), `input.${i}`);
  return turns;
}

/** Adds an item to the previous turn if both belong to one assistant turn of text and calls; true if it did. */
function joined(before: Turn | undefined, item: Item): boolean {
  if (before?.role !== "assistant") return false;
  if (item.type === "function_call") before.tool_calls = [...(before.tool_calls ?? []), callOf(item)];
  else if (isMessage(item) && item.role === "assistant" && (before.tool_calls || isReasoningAlone(before)))
    before.content = `${before.content ?? ""}${textOf(item.content)}`;
  else return false;
  return true;
}

const isMessage = (item: Item): item is Extract<Item, { role: string }> => "role" in item;

const isReasoningAlone = ({ reasoning_content: reasoning, content }: Turn): boolean =>
  typeof reasoning === "string" && content === "";

function turnOf(item: Item): Turn {
  switch (item.type) {
    case "function_call":
      return { role: "assistant", tool_calls: [callOf(item)] };
    case "reasoning":
      return { role: "assistant", content: "", reasoning_content: reasoningOf(item) };
    case "function_call_output":
      return { role: "tool", content: textOf(item.output), tool_call_id: item.call_id };
    default:
      return { role: item.role, content: textOf(item.content) };
  }
}

const callOf = ({ call_id: id, name, arguments: text }: Item & { type: "function_call" }) => ({
  ...{ id, type: "function" as const },
  function: { name, arguments: text },
});

const reasoningOf = ({ content, summary }: Item & { type: "reasoning" }): string =>
  (content?.length ? content : (summary ?? [])).map(({ text }) => text).join("");

const textOf = (content: Content): string =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("");
