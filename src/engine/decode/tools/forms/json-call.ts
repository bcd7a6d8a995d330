import { isObject } from "../../../../weights/json.ts";
import type { ToolCall } from "../reader.ts";
import { callOf, parsedJson } from "./form.ts";

/** A call in the usual form, which models also write that know another one. */
export const jsonCall = (text: string): ToolCall | undefined => callIn(parsedJson(text));

/** The call in a JSON value. */
export const callIn = (value: unknown): ToolCall | undefined =>
  isObject(value) ? callOf(value["name"], value["arguments"] ?? {}) : undefined;
