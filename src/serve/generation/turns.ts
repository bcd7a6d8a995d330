import { z } from "zod";
import type { ChatMessage } from "../../index.ts";
import { listOf } from "../../util/list-of.ts";
import type { Json } from "../../weights/tokenizer/index.ts";
import { HttpError } from "../http/errors.ts";
import { shapeOf } from "../http/shape.ts";
import { MOST_DEPTH, MOST_VALUES } from "../limits.ts";
import { toolCallSchema } from "./tools.ts";

const part = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("text").describe("a text"),
    text: z.string().describe("parts are joined without a separator"),
  }),
  z.object({
    type: z.literal("image_url").describe("an image, for models that read images"),
    image_url: z
      .object({
        url: z.string().describe("the image itself, as data:image/png;base64,…; URLs are not fetched"),
        detail: z.string().max(20).nullish().describe("level of detail; only forwarded to another server"),
      })
      .describe("the image"),
  }),
]);
type ContentPart = z.output<typeof part>;
const MOST_PARTS = 1024;
const parts = `a list of at most ${MOST_PARTS} parts { type: "text", text } and { type: "image_url", image_url: { url } }`;
const content = z
  .union([z.string(), listOf(part, { of: "parts", max: MOST_PARTS })], `expected a text, or ${parts}`)
  .superRefine(imagesInside);

/** An image inside a request. */
export const IMAGE_URL = /^data:image\/[\w.+-]+;base64,[A-Za-z0-9+/]+={0,2}$/;

/** Refuses images at addresses: a server that fetched them could be made to request any URL. */
function imagesInside(content: string | ContentPart[], { addIssue }: z.RefinementCtx): void {
  for (const [i, it] of Array.isArray(content) ? content.entries() : [])
    if (it.type === "image_url" && !IMAGE_URL.test(it.image_url.url))
      addIssue({
        code: "custom",
        path: [i, "image_url", "url"],
        message: "expected an image as data:image/…;base64,…; the server fetches no URL",
      });
}

/** A turn of a chat, as OpenAI writes it. */
export const message = z.object({
  role: z
    .enum(["system", "developer", "user", "assistant", "tool"])
    .describe("the speaker; developer is the same as system, tool is a function's result"),
  content: content.nullish().describe("the text; optional only in an assistant's message with tool calls"),
  name: z.string().max(200).nullish().describe("for role tool: the function; otherwise ignored"),
  tool_calls: listOf(toolCallSchema, { of: "calls", max: 128 })
    .nullish()
    .describe("for role assistant: the calls it made"),
  tool_call_id: z.string().nullish().describe("for role tool: the id of the call that this message answers"),
  reasoning_content: z
    .string()
    .nullish()
    .describe("for role assistant: its reasoning, if the model's chat template shows it"),
  reasoning: z.string().nullish().describe("the same as reasoning_content"),
});
type Message = z.output<typeof message>;

/** A part of a turn, as chat templates read it. */
type TurnPart = { readonly type: "text"; readonly text: string } | { readonly type: "image" };

/** A turn as chat templates read it: a text, or parts if it has images. */
type Turn = Omit<ChatMessage, "content"> & {
  role: string;
  content: string | TurnPart[];
  reasoning_content?: string;
};

/** The number of characters in a turn's texts. */
export const lengthOf = ({ content, reasoning_content: reasoning = "" }: Turn): number =>
  (typeof content === "string"
    ? content.length
    : content.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : 0), 0)) + reasoning.length;

/** The bytes of a chat's images, in order. */
export const imagesOf = (messages: readonly Message[]): Uint8Array[] =>
  messages.flatMap(({ content }) =>
    Array.isArray(content) ? content.flatMap((it) => (it.type === "image_url" ? [bytesOf(it.image_url.url)] : [])) : [],
  );

const bytesOf = (url: string): Uint8Array => Buffer.from(url.slice(url.indexOf(",") + 1), "base64");

/** @throws HttpError 400 if a turn lacks its content, or a tool answers no call */
export function turnsOf(messages: readonly Message[]): Turn[] {
  checkArguments(messages);
  let called: readonly string[] = [];
  return messages.map((message, at) => {
    if (message.role === "tool") checkAnswer(message, called, at);
    else called = (message.tool_calls ?? []).map(({ id }) => id);
    if (typeof message.content !== "string" && !message.content && !(message.role === "assistant" && called.length > 0))
      throw wrong(`messages.${at}.content`, "expected a text, got none");
    return turn(message, at);
  });
}

function checkAnswer({ tool_call_id: id }: Message, called: readonly string[], at: number): void {
  if (typeof id === "string" && called.includes(id)) return;
  throw wrong(`messages.${at}.tool_call_id`, "expected the id of a call in the assistant's turn before it");
}

const wrong = (field: string, sentence: string) => new HttpError(400, `${field}: ${sentence}`, { param: field });

/** Templates have no role "developer": OpenAI's name for the system turn of some of its models. */
function turn({ role, content, name, tool_calls: calls, tool_call_id: id, ...message }: Message, at: number): Turn {
  const reasoning = message.reasoning_content ?? message.reasoning;
  return {
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : contentOf(content ?? []),
    ...(role === "tool" && typeof name === "string" && { name }),
    ...(role === "tool" && typeof id === "string" && { tool_call_id: id }),
    ...(role === "assistant" && reasoning && { reasoning_content: reasoning }),
    ...(calls && calls.length > 0 && { tool_calls: calls.map((call) => withArguments(call, at)) }),
  };
}

/** Texts are joined; images remain separate, since templates write their placeholders. */
function contentOf(parts: readonly ContentPart[]): string | TurnPart[] {
  const all = parts.map((it): TurnPart => (it.type === "text" ? { type: "text", text: it.text } : { type: "image" }));
  if (all.some(({ type }) => type === "image")) return all;
  return parts.map((it) => (it.type === "text" ? it.text : "")).join("");
}

/** Templates write arguments as JSON themselves. */
function withArguments(call: z.output<typeof toolCallSchema>, at: number): Json {
  try {
    return { ...call, function: { ...call.function, arguments: JSON.parse(call.function.arguments) as Json } };
  } catch {
    throw wrong(`messages.${at}.tool_calls`, "expected JSON arguments");
  }
}

/** Checks the JSON in calls' arguments, which are texts and so were not checked with the body. */
function checkArguments(messages: readonly Message[]): void {
  const all = messages.flatMap(({ tool_calls: calls }) => (calls ?? []).map((call) => call.function.arguments));
  const { depth, values } = shapeOf(all.join(","), { depth: MOST_DEPTH, values: MOST_VALUES });
  if (depth > MOST_DEPTH) throw wrong("messages", `expected call arguments nested at most ${MOST_DEPTH} levels deep`);
  if (values > MOST_VALUES) throw wrong("messages", `expected at most ${MOST_VALUES} values in the arguments of calls`);
}
