import { isObject } from "../../../../weights/json.ts";
import type { ToolCall } from "../reader.ts";
import { callOf, jsonOf } from "./form.ts";

/** A call in the usual form, which models write that know another one, too. */
export function jsonCall(text: string): ToolCall | undefined {
  const found = jsonOf(text);
  return isObject(found) ? callOf(found["name"], found["arguments"] ?? {}) : undefined;
}
