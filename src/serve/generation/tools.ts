import { z } from "zod";
import { isForced } from "../../engine/tools/calling.ts";
import { CallReader, type ToolCall } from "../../engine/tools/reader.ts";
import { toolList } from "../../engine/tools/tools.ts";
import type { RunOptions } from "../../index.ts";

const named = z.object({
  type: z.literal("function").describe("the only kind"),
  function: z.object({ name: z.string().describe("of one of the tools") }).describe("the one that is to be called"),
});

/** OpenAI's fields for functions that the model may call. */
export const toolShape = {
  tools: toolList.nullish().describe("functions that the model may call"),
  tool_choice: z
    .union(
      [z.enum(["none", "auto", "required"]), named],
      'expected "none", "auto", "required" or { type: "function", function: { name } }',
    )
    .nullish()
    .describe(
      "auto, where it is not said: an answer is text, calls or both; none: text; required: a call; or a call of one",
    ),
  parallel_tool_calls: z
    .boolean()
    .nullish()
    .describe("whether an answer may call several functions, as it may without it"),
};
type Fields = z.output<z.ZodObject<typeof toolShape>>;

/** The fields as the library's options. */
export const toolOptions = ({ tools, tool_choice: choice, parallel_tool_calls: parallel }: Fields): RunOptions => ({
  tools: tools ?? undefined,
  toolChoice: typeof choice === "object" && choice !== null ? { name: choice.function.name } : (choice ?? undefined),
  parallelToolCalls: parallel ?? undefined,
});

/** The reader of the calls in an answer; undefined if it may have none. */
export function readerOf(fields: Fields): CallReader | undefined {
  const { tools = [], toolChoice } = toolOptions(fields);
  return tools.length === 0 || toolChoice === "none" ? undefined : new CallReader(isForced(toolChoice));
}

export const toolCallSchema = z.object({
  id: z.string().describe("by which its result names it"),
  type: z.literal("function").describe("the only kind"),
  function: z
    .object({ name: z.string().describe("the function's"), arguments: z.string().describe("an object, as JSON") })
    .describe("what is called, and with what"),
});

/** A call as OpenAI has it; `id` is unique among all. */
export const shownCall = (id: string, { name, arguments: given }: ToolCall): z.output<typeof toolCallSchema> => ({
  ...{ id, type: "function" },
  function: { name, arguments: given },
});
