import { z } from "zod";
import { listOf } from "../../../util/list-of.ts";
import type { Json } from "../../../weights/tokenizer/index.ts";
import type { Format, Trigger } from "../grammar/index.ts";

/** The tags around a call in Hermes and Qwen. */
export const OPEN = "<tool_call>";
export const CLOSE = "</tool_call>";

const OBJECT = "object";
/** A call has named arguments. */
const schema = z
  .record(z.string(), z.unknown(), "expected a JSON schema of an object")
  .refine(({ type }) => type === undefined || String(type) === OBJECT, `expected a JSON schema of type "object"`);

/** A function that a model may call, in OpenAI's format. */
const tool = z.object({
  type: z.literal("function", 'expected "function"').describe("the only type"),
  function: z
    .object({
      name: z
        .string("expected a name")
        .regex(/^[\w-]{1,64}$/, "expected a name of 1 to 64 letters, digits, _ and -")
        .describe("the function's name"),
      description: z.string().nullish().describe("what it does and when to call it; shown to the model"),
      parameters: schema.nullish().describe("a JSON schema of its arguments, an object; default: no arguments"),
      strict: z.boolean().nullish().describe("ignored: arguments follow their schema wherever calls are constrained"),
    })
    .describe("the functions that may be called"),
});
export type Tool = z.output<typeof tool>;

/** The functions of one request. */
export const toolList = listOf(tool, { of: "functions", max: 128 });

/**
 * `auto`: the model calls or answers; `required`: it must call; a name: it must call that function; names: it may only
 * call these.
 */
export const toolChoice = z.union(
  [
    z.enum(["none", "auto", "required"]),
    z.object({ name: z.string() }),
    z.object({ mode: z.enum(["auto", "required"]), names: z.array(z.string()) }),
  ],
  'expected "none", "auto", "required", { name } or { mode, names }',
);
export type ToolChoice = z.output<typeof toolChoice>;

/** The keys of a call's function and arguments, and the fields written before them. */
interface CallKeys {
  readonly name: string;
  readonly arguments: string;
  readonly before?: Readonly<Record<string, string>>;
}

/** The constraint on calls: a function's name, and arguments by its schema. */
export function callFormat(tools: readonly Tool[], keys: CallKeys = { name: "name", arguments: "arguments" }): Format {
  const before = Object.entries(keys.before ?? {}).map(([key, text]) => [key, { const: text }] as const);
  const anyOf = tools.map((it) => ({
    type: "object",
    properties: {
      ...Object.fromEntries(before),
      [keys.name]: { const: it.function.name },
      // With an `$id`, references in a schema start from the schema's own root.
      [keys.arguments]: { $id: it.function.name, ...argumentsOf(it) },
    },
    required: [...before.map(([key]) => key), keys.name, keys.arguments],
    additionalProperties: false,
  }));
  return { anyOf };
}

/** The schema of a call's arguments. */
export const argumentsOf = ({ function: { parameters } }: Tool) => ({ type: OBJECT, ...(parameters ?? NOTHING) });

/** The arguments of a function without parameters. */
const NOTHING = { additionalProperties: false };

/** Tools in the format that a template reads, without absent fields. */
export const asJson = (tools: readonly Tool[]): Json[] => JSON.parse(JSON.stringify(tools)) as Json[];

/** Calls in free text, at most one unless `parallel`. */
export const callTrigger = (parallel: boolean): Trigger => ({ text: OPEN, once: !parallel });
