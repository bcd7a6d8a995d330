import type { CallOptions } from "../engine/decode/tools/calling.ts";
import type { Called, Chunk, ToolCall } from "./options.ts";

/** The calls in a whole answer, and its text without them; nothing if the request lets it call nothing. */
export async function calledIn(text: string, request: CallOptions): Promise<Called> {
  if (!request.tools?.length) return {};
  const { answerReader } = await import("../engine/decode/tools/answer-reader.ts");
  const read = answerReader(request)?.push(text, true);
  if (!read) return {};
  const toolCalls = read.calls.map(({ name, arguments: json }) => ({
    name,
    arguments: JSON.parse(json) as ToolCall["arguments"],
  }));
  return { content: read.text, toolCalls };
}

/** An answer whose last chunk has its calls. */
export async function* withCalls(answer: AsyncIterable<Chunk>, request: CallOptions): AsyncGenerator<Chunk, void> {
  let text = "";
  for await (const chunk of answer) {
    text += chunk.text;
    yield chunk.finishReason ? { ...chunk, ...(await calledIn(text, request)) } : chunk;
  }
}
