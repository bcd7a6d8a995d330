import type { HttpError } from "./errors.ts";

/** Pending server-sent events. */
export type Events = AsyncGenerator<object, void>;

/** Events named by their `type`; clients recognize the last one by its name. */
export interface NamedEvents extends Events {
  /** The last event after an error. */
  failed(fault: HttpError): object;
}

/** Called when an error occurs in a stream, and once when the stream is over. */
export interface StreamWatcher {
  explain(error: unknown): HttpError;
  end(): void;
}

/** The format of a stream's events. */
interface Form {
  event(value: object): string;
  fault(fault: HttpError): object;
  /** Written after the last event. */
  readonly end?: string;
}

const plain: Form = {
  event: (value) => `data: ${JSON.stringify(value)}\n\n`,
  fault: (fault) => fault.body(),
  end: "data: [DONE]\n\n",
};

const named = (events: NamedEvents): Form => ({
  event: (value) => `event: ${(value as { type?: string }).type}\n${plain.event(value)}`,
  fault: (fault) => events.failed(fault),
});

const encoder = new TextEncoder();

/**
 * A response of server-sent events, followed by OpenAI's `[DONE]` unless they are named. If the reader leaves, `events`
 * ends. An error before the first event is thrown here, so it still sets the status; a later one is sent as an event.
 */
export async function eventStream(events: Events, { explain, end }: StreamWatcher): Promise<Response> {
  const form = "failed" in events ? named(events as NamedEvents) : plain;
  let next = await events.next();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const text = next.done ? form.end : form.event(next.value);
      if (text) controller.enqueue(encoder.encode(text));
      if (next.done) {
        controller.close();
        end();
      } else next = await events.next().catch((error: unknown) => ({ done: false, value: form.fault(explain(error)) }));
    },
    cancel: () => events.return().then(end, end),
  });
  const headers = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
  return new Response(body, { headers });
}
