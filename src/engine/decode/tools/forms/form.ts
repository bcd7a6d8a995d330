import { isObject, jsonIn } from "../../../../weights/json.ts";
import type { ChatMessage } from "../../../../weights/tokenizer/index.ts";
import type { Format } from "../../grammar/index.ts";
import type { ToolCall } from "../reader.ts";
import { argumentsOf, type Tool } from "../tools.ts";

/** The form in which some models write calls, in place of JSON between `<tool_call>` and `</tool_call>`. */
export interface CallForm {
  /** The text that opens calls, and the text that closes them. */
  readonly open: string;
  readonly close: string;
  /** True if a call that was cut may read as a whole one: only a closing ends it. */
  readonly needsClose?: true;
  /** Further texts in it that may be special tokens. */
  readonly inside?: readonly string[];
  /** True if a chat template, or a vocabulary in which `isSpecial` tells the special tokens, is of a model that writes so. */
  matches(template: string, isSpecial: (text: string) => boolean): boolean;
  /** The calls between the two; undefined if they are not in this form. */
  read(text: string, tools: readonly Tool[]): readonly ToolCall[] | undefined;
  /** Calls of earlier turns, for templates that write none. */
  write?(calls: readonly { readonly name: string; readonly arguments: unknown }[]): string;
  /** A call that must come, of one of these functions; absent or undefined: it is held to the usual form. */
  forced?(tools: readonly Tool[]): ForcedCall | undefined;
  /** Earlier turns as the template takes them, if it takes results of calls in another way than as turns of their own. */
  turns?(template: string, turns: readonly ChatMessage[]): readonly ChatMessage[];
  /** True if templates take the arguments of earlier calls as JSON in a text. */
  readonly argumentsAsText?: true;
}

/** A call that an answer has to be. */
export interface ForcedCall {
  /** The text that the answer begins with, for a model of this chat template; special tokens in it count as such. */
  begin(template: string): string;
  /** The format of what follows. */
  readonly format: Format;
  /** The call by what follows; undefined if it was cut. */
  read(text: string): ToolCall | undefined;
}

/** A call of a name and arguments; undefined if they are neither. */
export function callOf(name: unknown, values: unknown): ToolCall | undefined {
  if (typeof name !== "string" || !/^[\w.-]+$/.test(name) || !isObject(values)) return undefined;
  try {
    return { name, arguments: JSON.stringify(values) };
  } catch {
    // Lists within lists, deeper than the stack.
    return undefined;
  }
}

/** A call in the usual form, which models also write that know another one. */
export const jsonCall = (text: string): ToolCall | undefined => callIn(jsonIn(text));

/** The call in a JSON value. */
export const callIn = (value: unknown): ToolCall | undefined =>
  isObject(value) ? callOf(value["name"], value["arguments"] ?? {}) : undefined;

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
  const isNull = text.trim() === "null";
  const options = isObject(schema) ? optionsOf(schema) : [];
  if (options.some(isText)) return isNull && options.some(takesNull) ? null : text;
  return jsonIn(text) ?? (isNull ? null : text);
}

/** A schema, and those that it chooses from. */
const optionsOf = (schema: Readonly<Record<string, unknown>>): readonly Readonly<Record<string, unknown>>[] =>
  [schema, schema["anyOf"], schema["oneOf"]].flat().filter(isObject);

const isText = ({ type, enum: values, const: value }: Readonly<Record<string, unknown>>): boolean =>
  [type].flat().includes("string") ||
  typeof value === "string" ||
  (Array.isArray(values) && values.every((each) => typeof each === "string"));

const takesNull = ({ type, enum: values }: Readonly<Record<string, unknown>>): boolean =>
  [type].flat().includes("null") || (Array.isArray(values) && values.includes(null));
