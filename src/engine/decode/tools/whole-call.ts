import { isObject, type JsonObject } from "../../../weights/json.ts";
import { compiled } from "../grammar/compile.ts";
import { Forest, type Node } from "../grammar/forest.ts";
import { bound, Json } from "../grammar/json.ts";
import { placeOf, schemaAt } from "../grammar/pointer.ts";
import type { ToolCall } from "./reader.ts";
import { argumentsOf, type Tool } from "./tools.ts";

/** The maximum number of nodes visited to check one call's arguments. */
const MOST_WORK = 2_000_000;

/**
 * Recognises an answer that is one bare or fenced tool call, as Qwen2.5-Coder writes it instead of `<tool_call>`. It
 * receives the answer's text as it arrives.
 */
export class WholeCall {
  readonly #forest = new Forest();
  #text = "";
  #rest: Node;

  constructor(private readonly tools: readonly Tool[]) {
    this.#rest = callNode(
      this.#forest,
      tools.map((it) => it.function.name),
    );
  }

  /** Continues the answer. Returns true if it may still be a bare or fenced call. */
  push(text: string): boolean {
    this.#text += text;
    for (const byte of Buffer.from(text)) this.#rest = this.#forest.after(this.#rest, byte);
    return this.#rest.kind !== "none";
  }

  /** The call; undefined if the answer is not a call, or if its arguments do not match the tool's schema. */
  get call(): ToolCall | undefined {
    if (!this.#rest.nullable) return undefined;
    const { name, arguments: args } = JSON.parse(this.#text.replaceAll(FENCE, "")) as Call;
    const tool = this.tools.find((it) => it.function.name === name);
    return tool && meets(args, tool) ? { name, arguments: JSON.stringify(args) } : undefined;
  }
}

interface Call {
  readonly name: string;
  readonly arguments: JsonObject;
}

const FENCE = /^\s*```[a-z]*|```\s*$/gi;

/** Matches a bare or fenced call of any of these functions, with any arguments. */
function callNode(forest: Forest, names: readonly string[]): Node {
  const { seq, alt, repeat, text } = bound(forest);
  const json = new Json(forest);
  const name = json.member(json.literal("name"), alt(names.map((it) => json.literal(it))));
  const args = json.member(json.literal("arguments"), json.object);
  const either = alt([seq(name, json.further(args)), seq(args, json.further(name))]);
  const call = json.braced(either);
  const space = repeat(json.set(" \t\r\n"), 0);
  const language = repeat(json.set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), 0);
  const fenced = seq(text("```"), language, space, call, space, text("```"));
  return seq(space, alt([call, fenced]), space);
}

/** True if the arguments match the tool's schema, in any order. */
function meets(args: JsonObject, tool: Tool): boolean {
  const schema = argumentsOf(tool);
  const { forest, root } = compiled(schema);
  const written = Buffer.from(JSON.stringify(inOrder(args, schema, schema)));
  try {
    return forest.within(MOST_WORK, tooMuch, () => forest.takes(root, written));
  } catch (error) {
    if (error instanceof TooMuch) return false;
    throw error;
  }
}

class TooMuch extends Error {}
const tooMuch = () => new TooMuch();

/** A value whose properties are sorted into the schema's order, as grammars expect. */
function inOrder(value: unknown, schema: unknown, whole: JsonObject): unknown {
  if (!isObject(schema)) return value;
  const { $ref, anyOf, oneOf, allOf, properties, items } = schema;
  if (typeof $ref === "string") return inOrder(value, schemaAt(whole, placeOf($ref, "")), whole);
  const parts = anyOf ?? oneOf ?? allOf;
  if (Array.isArray(parts)) return parts.reduce((it: unknown, part) => inOrder(it, part, whole), value);
  if (Array.isArray(value)) return value.map((item) => inOrder(item, items, whole));
  if (!isObject(value) || !isObject(properties)) return value;
  const keys = [...new Set([...Object.keys(properties), ...Object.keys(value)])];
  const own = keys.filter((key) => Object.hasOwn(value, key));
  return Object.fromEntries(own.map((key) => [key, inOrder(value[key], properties[key], whole)]));
}
