import { isObject } from "../../../../weights/json.ts";
import type { ToolCall } from "../reader.ts";
import { argumentsOf, type Tool } from "../tools.ts";

/** The form in which some models write calls, in place of JSON between `<tool_call>` and `</tool_call>`. */
export interface CallForm {
  /** The text that opens calls, and the text that closes them. */
  readonly open: string;
  readonly close: string;
  /** Further texts in it that may be special tokens. */
  readonly inside?: readonly string[];
  /** True if a chat template, or a vocabulary in which `isSpecial` tells the special tokens, is of a model that writes so. */
  matches(template: string, isSpecial: (text: string) => boolean): boolean;
  /** The calls between the two; undefined if they are not in this form. */
  read(text: string, tools: readonly Tool[]): readonly ToolCall[] | undefined;
  /** Calls of earlier turns, for templates that write none. */
  write?(calls: readonly { readonly name: string; readonly arguments: unknown }[]): string;
  /** True if templates take the arguments of earlier calls as JSON in a text. */
  readonly argumentsAsText?: true;
}

/** JSON; undefined if it is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A call of a name and arguments; undefined if they are neither. */
export function callOf(name: unknown, given: unknown): ToolCall | undefined {
  if (typeof name !== "string" || !/^[\w.-]+$/.test(name) || !isObject(given)) return undefined;
  return { name, arguments: JSON.stringify(given) };
}

/** All of them; undefined if one is missing, or there are none. */
export function allOf(calls: readonly (ToolCall | undefined)[]): readonly ToolCall[] | undefined {
  const found = calls.filter((call) => call !== undefined);
  return found.length === calls.length && found.length > 0 ? found : undefined;
}

/** An argument that is written as plain text: a text if the function's schema says so, else JSON if it is any. */
export function argumentOf(text: string, name: string, key: string, tools: readonly Tool[]): unknown {
  const tool = tools.find((it) => it.function.name === name);
  const { properties } = tool ? (argumentsOf(tool) as { properties?: unknown }) : {};
  const schema = isObject(properties) ? properties[key] : undefined;
  if (isObject(schema) && isText(schema)) return text;
  return jsonOf(text) ?? (text.trim() === "null" ? null : text);
}

const isText = ({ type, enum: values }: { readonly type?: unknown; readonly enum?: unknown }): boolean =>
  [type].flat().includes("string") || (Array.isArray(values) && values.every((value) => typeof value === "string"));
