import { z } from "zod";
import { listOf } from "../../../util/list-of.ts";
import { choiceShape } from "../tools.ts";

/** A function that the model may call, in the format of OpenAI's Responses. */
const tool = z.object({
  type: z.literal("function", 'expected "function": the server runs no tools of its own').describe("the only type"),
  name: z.string().describe("the function's name"),
  description: z.string().nullish().describe("what it does and when to call it; shown to the model"),
  parameters: z
    .record(z.string(), z.unknown(), "expected a JSON schema of an object")
    .nullish()
    .describe("a JSON schema (an object) for its arguments; default: no arguments"),
  strict: z.boolean().nullish().describe("ignored: arguments follow their schema wherever calls are constrained"),
});

const named = z.object({
  type: z.literal("function").describe("the only type"),
  name: z.string().describe("name of the function to call"),
});

const allowed = z.object({
  type: z.literal("allowed_tools").describe("some of the tools"),
  mode: z.enum(["auto", "required"]).describe("whether the model must call a function"),
  tools: listOf(named, { of: "functions", min: 1, max: 128 }).describe("functions the model may call"),
});

/** OpenAI's fields for functions, in the format of Responses. */
export const responseToolShape = {
  tools: listOf(tool, { of: "functions", max: 128 }).nullish().describe("functions the model may call"),
  ...choiceShape(
    named,
    allowed,
    'expected "none", "auto", "required", { type: "function", name } or { type: "allowed_tools", mode, tools }',
  ),
};
type Fields = z.output<z.ZodObject<typeof responseToolShape>>;

/** Converts the fields to the format of chats. */
export const chatTools = ({ tools, tool_choice, parallel_tool_calls }: Fields) => ({
  tools: tools?.map(({ type, ...definition }) => ({ type, function: definition })),
  tool_choice: chatChoice(tool_choice),
  parallel_tool_calls,
});

function chatChoice(choice: Fields["tool_choice"]) {
  if (typeof choice !== "object" || choice === null) return choice;
  if (choice.type === "function") return inChat(choice);
  const { type, mode, tools } = choice;
  return { type, allowed_tools: { mode, tools: tools.map(inChat) } };
}

const inChat = ({ type, name }: z.output<typeof named>) => ({ type, function: { name } });

export const shownToolShape = {
  tools: z.array(tool.required()),
  tool_choice: responseToolShape.tool_choice.unwrap().unwrap(),
  parallel_tool_calls: z.boolean(),
};

/** The fields as they appear in a response. */
export const shownTools = ({ tools, tool_choice: choice, parallel_tool_calls: parallel }: Fields) => ({
  tools: (tools ?? []).map(({ description = null, parameters = null, strict, ...rest }) => ({
    ...rest,
    ...{ description, parameters, strict: strict ?? true },
  })),
  tool_choice: choice ?? ("auto" as const),
  parallel_tool_calls: parallel ?? true,
});
