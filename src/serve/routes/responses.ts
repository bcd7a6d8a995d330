import { answerOf } from "../fleet/proxy.ts";
import { type ResponseEvent, response, responseEvent } from "../generation/responses/output.ts";
import { pieceOf } from "../generation/responses/pieces.ts";
import { responsesInput } from "../generation/responses/request.ts";
import { asChat, fieldOf } from "../generation/responses/to-chat.ts";
import { ResponseWriter } from "../generation/responses/writer.ts";
import { accepted, type Endpoint, endpoint } from "../http/endpoint.ts";
import type { HttpError } from "../http/errors.ts";
import { renamed } from "../http/renamed.ts";
import type { Events, NamedEvents } from "../http/stream.ts";
import type { ServerContext } from "../server-context.ts";
import { chat } from "./chat.ts";

/** `POST /v1/responses`, OpenAI's Responses API without storage, on top of the chat endpoint. */
export function responses(context: ServerContext): Endpoint {
  const underneath = chat(context);
  return endpoint({
    method: "post",
    paths: ["/v1/responses"],
    summary: "Create a response, as in OpenAI's Responses API, whole or as a stream; nothing is stored",
    scope: "infer",
    translates: true,
    input: responsesInput(context.limits),
    example: { model: "smollm2", input: "Name three primary colours.", max_output_tokens: 24, temperature: 0 },
    output: response,
    event: responseEvent,
    async handle(input, call) {
      const { request: body, fields } = asChat(input);
      const writer = new ResponseWriter(input);
      try {
        const request = { body, input: accepted(underneath.input!, body) };
        const answer = await answerOf(context, underneath, request, call);
        return input.stream ? events(answer as Events, writer, fields) : writer.whole(pieceOf(answer));
      } catch (error) {
        throw renamed(error, fieldOf(fields));
      }
    },
  });
}

const events = (chunks: Events, writer: ResponseWriter, fields: readonly string[]): NamedEvents =>
  Object.assign(eventsOf(chunks, writer, fields), { failed: (fault: HttpError) => writer.failed(fault) });

/** Waits for the chat's first chunk before the first event, so that earlier faults keep their HTTP status. */
async function* eventsOf(
  chunks: Events,
  writer: ResponseWriter,
  fields: readonly string[],
): AsyncGenerator<ResponseEvent, void> {
  let begun = false;
  try {
    for await (const chunk of chunks) {
      if (!begun) yield* writer.begin();
      begun = true;
      yield* writer.add(pieceOf(chunk));
    }
  } catch (error) {
    throw renamed(error, fieldOf(fields));
  }
  yield* writer.end();
}
