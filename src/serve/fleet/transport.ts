import type { Readable } from "node:stream";
import { createParser } from "eventsource-parser";

/** A response with an unread body. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable & {
    text(): Promise<string>;
    /** Discards the unread rest, up to `limit` bytes; beyond that, or on the signal, the connection ends. */
    dump(bounds?: { limit: number; signal: AbortSignal }): Promise<unknown>;
  };
}

export interface TransportRequest {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** Sends requests on persistent connections. */
export interface Transport {
  send(url: string, request: TransportRequest): Promise<Reply>;
  close(): Promise<void>;
}

/** Maximum milliseconds to connect. Answers have no limit: health checks show whether the server is alive. */
const CONNECT_WITHIN = 5_000;

export async function openTransport(): Promise<Transport> {
  // The package is imported here so that only servers with a fleet load it.
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

/** The data of the last event in OpenAI's streams. */
export const DONE = "[DONE]";

/** Limits on the rest of a stream after its last event: bytes, and milliseconds to wait. */
const AFTER_DONE = { limit: 65_536, within: 2_000 };

/**
 * The data of server-sent events, as they arrive. After the last event, the connection is reusable; a reader that
 * leaves earlier closes it.
 */
export async function* eventsOf(body: Reply["body"]): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  const waiting: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => void waiting.push(data) });
  let latest: string | undefined;
  try {
    for await (const part of body.iterator({ destroyOnReturn: false })) {
      parser.feed(decoder.decode(part, { stream: true }));
      for (latest of waiting.splice(0)) yield latest;
    }
  } finally {
    if (latest === DONE) void emptied(body);
    else body.on("error", () => {}).destroy();
  }
}

/** Reads the rest of a body, so that its connection can be reused. */
async function emptied(body: Reply["body"]): Promise<void> {
  const { limit, within } = AFTER_DONE;
  // If the server keeps sending, its connection is closed; the answer is complete anyway.
  await body.dump({ limit, signal: AbortSignal.timeout(within) }).catch(() => {});
}
