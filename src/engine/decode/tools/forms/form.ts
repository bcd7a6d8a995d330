import { isObject, jsonIn } from "../../../../weights/json.ts";
import type { ChatMessage } from "../../../../weights/tokenizer/index.ts";
import type { Format } from "../../grammar/index.ts";
import type { ToolCall } from "../reader.ts";
import { argumentsOf, type Tool } from "../tools.ts";

/** The format in which some models write calls, instead of JSON between `<tool_call>` and `</tool_call>`. */
export interface CallForm {
  /** The texts that open and close calls. */
  readonly open: string;
  readonly close: string;
  /** True if a truncated call may look complete, so that only `close` ends a call. */
  readonly needsClose?: true;
  /** Other texts in a call that may be special tokens. */
  readonly inside?: readonly string[];
  /** True if a chat template, or a vocabulary (by `isSpecial`), belongs to a model with this format. */
  matches(template: string, isSpecial: (text: string) => boolean): boolean;
  /** The calls in the text between the opening and the closing; undefined if they are not in this format. */
  read(text: string, tools: readonly Tool[]): readonly ToolCall[] | undefined;
  /** Writes the calls of earlier turns, for templates that do not write them. */
  write?(calls: readonly { readonly name: string; readonly arguments: unknown }[]): string;
  /** Returns a required call of one of these functions; if absent or undefined, the usual format is enforced. */
  forced?(tools: readonly Tool[]): ForcedCall | undefined;
  /** Earlier turns in the template's format, if its call results are not separate turns. */
  turns?(template: string, turns: readonly ChatMessage[]): readonly ChatMessage[];
  /** True if templates expect the arguments of earlier calls as JSON text. */
  readonly argumentsAsText?: true;
}

/** A required call. */
export interface ForcedCall {
  /** The text at the start of the answer, for a model with this chat template; special tokens in it count as special. */
  begin(template: string): string;
  /** The format of the rest of the answer. */
  readonly format: Format;
  /** The call, read from the rest of the answer; undefined if it was cut off. */
  read(text: string): ToolCall | undefined;
}

/** A call from a name and arguments; undefined if they do not have the right types. */
export function callOf(name: unknown, values: unknown): ToolCall | undefined {
  if (typeof name !== "string" || !/^[\w.-]+$/.test(name) || !isObject(values)) return undefined;
  try {
    return { name, arguments: JSON.stringify(values) };
  } catch {
    // The lists are nested too deeply for the stack.
    return undefined;
  }
}

/** A call in the usual format, which models with their own format also write. */
export const jsonCall = (text: string): ToolCall | undefined => callIn(jsonIn(text));

/** The call in a JSON value. */
export const callIn = (value: unknown): ToolCall | undefined =>
  isObject(value) ? callOf(value["name"], value["arguments"] ?? {}) : undefined;

/** All calls; undefined if any of them is undefined, or if the list is empty. */
export function allOf(calls: readonly (ToolCall | undefined)[]): readonly ToolCall[] | undefined {
  const known = calls.filter((call) => call !== undefined);
  return known.length === calls.length && known.length > 0 ? known : undefined;
}

/** An argument written as plain text: a string if the function's schema expects one, else JSON if it is valid JSON. */
export function argumentOf(text: string, name: string, key: string, tools: readonly Tool[]): unknown {
  const tool = tools.find((it) => it.function.name === name);
  const { properties } = tool ? (argumentsOf(tool) as { properties?: unknown }) : {};
  const schema = isObject(properties) ? properties[key] : undefined;
  const isNull = text.trim() === "null";
  const options = isObject(schema) ? optionsOf(schema) : [];
  if (options.some(isText)) return isNull && options.some(takesNull) ? null : text;
  return jsonIn(text) ?? (isNull ? null : text);
}

/** A schema and all of its alternatives. */
const optionsOf = (schema: Readonly<Record<string, unknown>>): readonly Readonly<Record<string, unknown>>[] =>
  [schema, schema["anyOf"], schema["oneOf"]].flat().filter(isObject);

const isText = ({ type, enum: values, const: value }: Readonly<Record<string, unknown>>): boolean =>
  [type].flat().includes("string") ||
  typeof value === "string" ||
  (Array.isArray(values) && values.every((each) => typeof each === "string"));

const takesNull = ({ type, enum: values }: Readonly<Record<string, unknown>>): boolean =>
  [type].flat().includes("null") || (Array.isArray(values) && values.includes(null));
