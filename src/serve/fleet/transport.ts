import { createParser } from "eventsource-parser";

/** A response whose body has not been read. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array> & { text(): Promise<string>; dump(): Promise<unknown> };
}

export interface Sent {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** Sends requests on connections that are kept open. */
export interface Transport {
  send(url: string, sent: Sent): Promise<Reply>;
  close(): Promise<void>;
}

/** Milliseconds for a connection to come about. An answer may take any time: checks tell whether its server is there. */
const CONNECT_WITHIN = 5_000;

export async function openTransport(): Promise<Transport> {
  // Loaded by servers with a fleet alone.
  const { Agent, request } = await import("undici");
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: CONNECT_WITHIN } });
  return {
    async send(url, { method, headers, body = null, signal }) {
      const { statusCode: status, ...reply } = await request(url, { method, headers, body, signal, dispatcher });
      return { ...reply, status };
    },
    close: () => dispatcher.destroy(),
  };
}

/** The data of server-sent events, as they come. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  const waiting: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => void waiting.push(data) });
  for await (const part of body) {
    parser.feed(decoder.decode(part, { stream: true }));
    yield* waiting.splice(0);
  }
}
