import { z } from "zod";
import { answerReader } from "../../engine/decode/tools/answer-reader.ts";
import { callFormOf } from "../../engine/decode/tools/forms/index.ts";
import type { AnswerReader, ToolCall } from "../../engine/decode/tools/reader.ts";
import { toolList } from "../../engine/decode/tools/tools.ts";
import type { RunOptions } from "../../index.ts";
import { listOf } from "../../util/list-of.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";

const named = z.object({
  type: z.literal("function").describe("the only type"),
  function: z.object({ name: z.string().describe("name of one of the tools") }).describe("the function to call"),
});
const allowed = z.object({
  type: z.literal("allowed_tools").describe("some of the tools"),
  allowed_tools: z
    .object({
      mode: z.enum(["auto", "required"]).describe("whether the model must call a function"),
      tools: listOf(named, { of: "functions", min: 1, max: 128 }).describe("the functions that may be called"),
    })
    .describe("the model sees all tools, but may call only these"),
});

/** The fields that control calls. Chats and Responses name functions in different formats. */
export const choiceShape = <N extends z.ZodType, A extends z.ZodType>(named: N, allowed: A, expected: string) => ({
  tool_choice: z
    .union([z.enum(["none", "auto", "required"]), named, allowed], expected)
    .nullish()
    .describe("auto (default): text, calls or both; none: text; required: a call; or the functions to call"),
  parallel_tool_calls: z.boolean().nullish().describe("whether an answer may call several functions; default true"),
});

/** OpenAI's fields for functions that the model may call. */
export const toolShape = {
  tools: toolList.nullish().describe("functions the model may call"),
  ...choiceShape(
    named,
    allowed,
    'expected "none", "auto", "required", { type: "function", function: { name } } or { type: "allowed_tools", allowed_tools: { mode, tools } }',
  ),
};
type Fields = z.output<z.ZodObject<typeof toolShape>>;

/** Converts the fields to the library's options. */
export const toolOptions = ({ tools, tool_choice: choice, parallel_tool_calls: parallel }: Fields): RunOptions => ({
  tools: tools ?? undefined,
  toolChoice: choiceOf(choice),
  parallelToolCalls: parallel ?? undefined,
});

function choiceOf(choice: Fields["tool_choice"]): RunOptions["toolChoice"] {
  if (typeof choice !== "object" || choice === null) return choice ?? undefined;
  if (choice.type === "function") return { name: choice.function.name };
  const { mode, tools } = choice.allowed_tools;
  return { mode, names: tools.map((it) => it.function.name) };
}

/** Reads calls in an answer; undefined if calls are not allowed. */
export const readerOf = (fields: Fields, tokenizer: Tokenizer): AnswerReader | undefined =>
  answerReader(toolOptions(fields), callFormOf(tokenizer));

export const toolCallSchema = z.object({
  id: z.string().describe("the id that the call's result refers to"),
  type: z.literal("function").describe("the only type"),
  function: z
    .object({
      name: z.string().describe("the function's name"),
      arguments: z.string().describe("a JSON object, as text"),
    })
    .describe("the function and its arguments"),
});

/** A call in OpenAI's format; `id` is globally unique. */
export const shownCall = (id: string, { name, arguments: text }: ToolCall): z.output<typeof toolCallSchema> => ({
  ...{ id, type: "function" },
  function: { name, arguments: text },
});
