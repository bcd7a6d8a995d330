import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { Trace } from "./trace/trace.ts";

interface Metadata {
  /** A key's id. */
  key?: string | undefined;
  /** The model's name in the request. */
  model?: string | undefined;
  /** A receipt's id. */
  receipt?: string;
}

/** OpenAI's header, which its clients show as `_request_id`. */
const ID_HEADER = "x-request-id";
/** A valid request id from a client or a proxy. */
const ID = /^[\w.:-]{1,128}$/;

/** One request's line in the log, without the request's prompts, answers and query. */
export class RequestLine {
  /** The client's id for the request, or a new id; the response repeats it. */
  readonly id: string;
  /** The request's time of arrival, as in `performance.now()`. */
  readonly taken = performance.now();
  readonly #metadata: Metadata = {};

  constructor(
    private readonly log: Logger,
    private readonly request: Pick<Request, "method" | "url" | "headers">,
  ) {
    const header = request.headers.get(ID_HEADER) ?? "";
    this.id = ID.test(header) ? header : randomUUID();
  }

  /** The headers of the answer. */
  get headers(): Readonly<Record<string, string>> {
    return { [ID_HEADER]: this.id };
  }

  note(metadata: Metadata): void {
    Object.assign(this.#metadata, metadata);
  }

  end(status: number): void {
    const { method, url } = this.request;
    const path = new URL(url).pathname.slice(0, 200);
    const ms = Math.round(performance.now() - this.taken);
    this.log.info({ id: this.id, method, path, status, ms, ...this.#metadata }, "answered");
  }

  /** Writes the line when the request's trace ends. */
  within(trace: Trace): Trace {
    return {
      headers: trace.headers,
      part: (receipt) => trace.part(receipt),
      billed: (receipt, reason) => {
        this.note({ receipt: receipt.id });
        trace.billed(receipt, reason);
      },
      end: (fault) => {
        trace.end(fault);
        this.end(fault?.status ?? 200);
      },
    };
  }
}
