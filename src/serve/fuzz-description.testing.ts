/** Adapts the server's OpenAPI description for schemathesis, so that the server accepts more of its requests. */

import { modelShape } from "./generation/naming.ts";

/** Puts real model names into a description, since invented names only get 404: `chat` for chats, else `names`. */
export function withModels(
  { paths, ...rest }: { paths: Readonly<Record<string, unknown>> },
  names: readonly string[],
): object {
  const named = Object.entries(paths).map(([at, it]) => [
    at,
    withoutBudgets(isChat(at) ? withChats(withNames(it, ["chat"])) : withNames(it, names)),
  ]);
  return { ...rest, paths: Object.fromEntries(named) };
}

const isChat = (path: string): boolean => path.includes("chat") || path.includes("responses");

const withNames = (described: unknown, names: readonly string[]): unknown =>
  JSON.parse(JSON.stringify(described), (key, value) =>
    key === "model" && value?.description === modelShape.model.description ? { type: "string", enum: names } : value,
  );

/** Removes the request field `budget`, which gets 400 without a certificate. */
const withoutBudgets = (described: unknown): unknown =>
  JSON.parse(JSON.stringify(described), (key, value) =>
    key === "requestBody"
      ? JSON.parse(JSON.stringify(value), (field, schema) => (field === "budget" ? undefined : schema))
      : value,
  );

const call = { id: "a", type: "function", function: { name: "f", arguments: '{"b":1}' } };
const CALLED = [
  { role: "user", content: "x" },
  { role: "assistant", tool_calls: [call] },
  { role: "tool", tool_call_id: "a", content: "y" },
];

/**
 * Restricts chats to valid orders of turns. A schema cannot require that a tool answers an earlier call, and invalid
 * orders only get 400.
 */
const withChats = (described: unknown): unknown =>
  JSON.parse(JSON.stringify(described), (key, value) =>
    key === "messages" && value?.items ? { anyOf: [plain(value), { enum: [CALLED] }, value] } : value,
  );

function plain({ items, ...list }: Record<string, unknown> & { items: { properties: object } }): object {
  const [role, content] = [{ enum: ["system", "developer", "user", "assistant"] }, { type: "string" }];
  const { tool_calls: _, ...properties } = items.properties as Record<string, unknown>;
  return { ...list, items: { ...items, properties: { ...properties, role, content }, required: ["role", "content"] } };
}
