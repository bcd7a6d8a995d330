import type { Receipt } from "../../ledger/receipt.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { HttpError } from "../http/errors.ts";

/** A request on arrival. */
export interface TracedRequest {
  readonly it: Endpoint;
  /** The request's fields; only fields without text are recorded. */
  readonly body: unknown;
  readonly headers: Headers;
}

/** The trace of one request. */
export interface Trace {
  /** The headers that let another server's spans join this request's trace. */
  readonly headers: Readonly<Record<string, string>>;
  /** Called when one of the request's answers, or texts, has ended. */
  part(receipt: Receipt): void;
  /** Called when the whole request is billed. */
  billed(receipt: Receipt, reason: string): void;
  /** Called when the request is over, successful or not. */
  end(fault?: HttpError): void;
}

export interface Tracer {
  begin(taken: TracedRequest): Trace;
  /** Sends unsent spans. */
  close(): Promise<void>;
}

/** Headers that continue a client's trace on other servers. */
const CONTEXT = ["traceparent", "tracestate"];

/** A trace that records nothing. */
export const silent = ({ headers }: Pick<TracedRequest, "headers">): Trace => ({
  headers: Object.fromEntries(CONTEXT.flatMap((name) => (headers.has(name) ? [[name, headers.get(name)!]] : []))),
  part() {},
  billed() {},
  end() {},
});

export const untraced: Tracer = { begin: silent, close: async () => {} };
