import type { HttpError } from "./errors.ts";

const encoder = new TextEncoder();
const event = (text: string) => encoder.encode(`data: ${text}\n\n`);

/** Server-sent events to come. */
export type Events = AsyncGenerator<object, void>;

/** What a stream calls for an error, and once when it is over. */
export interface StreamWatcher {
  explain(error: unknown): HttpError;
  end(): void;
}

/**
 * A response of server-sent events, and at the end OpenAI's `[DONE]`. A reader that leaves ends `events`. What fails before the first event
 * fails here, so that it still has its status; after it, an event tells of the error.
 */
export async function eventStream(events: Events, { explain, end }: StreamWatcher): Promise<Response> {
  let next = await events.next();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      controller.enqueue(event(next.done ? "[DONE]" : JSON.stringify(next.value)));
      if (next.done) {
        controller.close();
        end();
      } else next = await events.next().catch((error: unknown) => ({ done: false, value: explain(error).body() }));
    },
    cancel: () => events.return().then(end, end),
  });
  const headers = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
  return new Response(body, { headers });
}
