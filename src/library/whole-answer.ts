import type { CallOptions } from "../engine/decode/tools/calling.ts";
import { callFormOf, type Vocabulary } from "../engine/decode/tools/forms/index.ts";
import type { Called, Chunk, Completion, ToolCall } from "./options.ts";

/** Collects chunks into a whole answer, with the `own` fields of the last chunk. */
export async function wholeOf<C extends Chunk, K extends keyof C = never>(
  chunks: AsyncIterable<C>,
  ...own: K[]
): Promise<Completion & Required<Pick<C, K>>> {
  const whole: Pick<Completion, "text" | "reasoning" | "tokens" | "prompt"> = { text: "", tokens: [] };
  for await (const chunk of chunks) {
    const { text, reasoning, tokens, prompt, finishReason, receipt } = chunk;
    whole.text += text;
    if (reasoning !== undefined) whole.reasoning = (whole.reasoning ?? "") + reasoning;
    whole.tokens.push(...tokens);
    if (prompt) whole.prompt = [...prompt];
    if (finishReason && receipt && hasAll(chunk, own)) return { ...chunk, ...whole, finishReason, receipt };
  }
  throw new Error("an answer ended without its receipt");
}

const hasAll = <C, K extends keyof C>(chunk: C, own: readonly K[]): chunk is C & Required<Pick<C, K>> =>
  own.every((key) => chunk[key] !== undefined);

/** The calls in a whole answer, and the answer's text without them; empty if the request allows no calls. */
export async function calledIn(text: string, request: CallOptions, vocabulary: Vocabulary): Promise<Called> {
  if (!request.tools?.length) return {};
  const { answerReader } = await import("../engine/decode/tools/answer-reader.ts");
  const read = answerReader(request, callFormOf(vocabulary))?.push(text, true);
  if (!read) return {};
  const toolCalls = read.calls.map(({ name, arguments: json }) => ({
    name,
    arguments: JSON.parse(json) as ToolCall["arguments"],
  }));
  return { content: read.text, toolCalls };
}

/** Passes on an answer, and adds its calls to the last chunk. */
export async function* withCalls(
  answer: AsyncIterable<Chunk>,
  request: CallOptions,
  vocabulary: Vocabulary,
): AsyncGenerator<Chunk, void> {
  let text = "";
  for await (const chunk of answer) {
    text += chunk.text;
    yield chunk.finishReason ? { ...chunk, ...(await calledIn(text, request, vocabulary)) } : chunk;
  }
}
