import type { Logger } from "pino";
import type { Trace } from "./trace/trace.ts";

interface About {
  /** A key's id. */
  key?: string | undefined;
  /** As it was asked for. */
  model?: string | undefined;
  /** A receipt's id. */
  receipt?: string;
}

/** One request's line in the log, without its prompts, its answers and its query. */
export class RequestLine {
  /** When the request was taken, on the clock of `performance.now()`. */
  readonly taken = performance.now();
  readonly #about: About = {};

  constructor(
    private readonly log: Logger,
    private readonly request: Pick<Request, "method" | "url">,
  ) {}

  note(about: About): void {
    Object.assign(this.#about, about);
  }

  end(status: number): void {
    const { method, url } = this.request;
    const path = new URL(url).pathname.slice(0, 200);
    const ms = Math.round(performance.now() - this.taken);
    this.log.info({ method, path, status, ms, ...this.#about }, "answered");
  }

  /** Has the line written when the request's trace ends. */
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
