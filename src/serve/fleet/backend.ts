import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { codeOf } from "../../util/system-errors.ts";
import type { RemoteOptions } from "./file.ts";
import { probe } from "./probe.ts";
import type { Reply, Transport, TransportRequest } from "./transport.ts";
import { Unavailable } from "./unavailable.ts";

/** Maximum seconds between two checks of a server that is down. */
const LONGEST_PAUSE = 60;

/** One server that runs a remote model: its health, and its running requests from this server. */
export class Backend {
  /** The number of running requests that this server has sent. */
  running = 0;
  /** The sequence number of the server's last selection. */
  chosen = 0;
  /** The number of failed checks in a row. */
  #failed = 0;
  /** The number of requests that broke off since the last check began. */
  #doubts = 0;
  #lost = new AbortController();
  #pause = new AbortController();
  readonly #closed = new AbortController();
  readonly #base: string;

  constructor(
    readonly name: string,
    url: string,
    private readonly options: RemoteOptions,
    private readonly transport: Transport,
    private readonly log: Logger,
  ) {
    this.#base = url.replace(/\/+$/, "").replace(/\/v1$/, "");
  }

  get up(): boolean {
    return this.#doubts === 0 && !this.down;
  }

  /** True if too many checks in a row have failed. A server in doubt is neither down nor up until its next check. */
  get down(): boolean {
    return this.#failed >= this.options.health.failures;
  }

  /** Sends a request to a path such as `/v1/models`. @throws Unavailable if the server cannot be reached */
  async send(path: string, request: TransportRequest): Promise<Reply> {
    const { key } = this.options;
    const headers = { ...request.headers, ...(key !== undefined && { authorization: `Bearer ${key}` }) };
    const signal = AbortSignal.any([request.signal, this.#lost.signal]);
    try {
      return await this.transport.send(this.#base + path, { ...request, headers, signal });
    } catch (error) {
      request.signal.throwIfAborted();
      throw new Unavailable("down", reasonOf(error));
    }
  }

  /** Called when the server has answered a request. */
  alive(): void {
    this.#failed = 0;
  }

  /** Called when a request breaks off. The server is checked at once, and gets no new requests before the check. */
  suspect(): void {
    this.#doubts++;
    this.#pause.abort();
  }

  /** Checks the server once before it returns, then repeatedly until `close`, calling `checked` after each check. */
  async watch(checked: () => void): Promise<void> {
    await this.#check();
    void this.#watching(checked);
  }

  async #watching(checked: () => void): Promise<void> {
    while (!this.#closed.signal.aborted) {
      this.#pause = new AbortController();
      const signal = AbortSignal.any([this.#pause.signal, this.#closed.signal]);
      if (this.#doubts === 0) await sleep(1000 * this.#seconds(), undefined, { signal, ref: false }).catch(() => {});
      if (!this.#closed.signal.aborted) await this.#check();
      checked();
    }
  }

  /** Seconds until the next check, which grow while the server is down. */
  #seconds(): number {
    const { interval, failures } = this.options.health;
    const more = Math.max(0, this.#failed - failures);
    return Math.min(Math.max(LONGEST_PAUSE, interval), interval * 2 ** Math.min(more, 20));
  }

  async #check(): Promise<void> {
    const { health } = this.options;
    const before = this.up;
    const doubts = this.#doubts;
    const signal = AbortSignal.any([AbortSignal.timeout(1000 * health.timeout), this.#closed.signal]);
    const reason = await probe(this.options, (path) => this.send(path, { method: "GET", headers: {}, signal })).catch(
      reasonOf,
    );
    if (this.#closed.signal.aborted) return;
    // This check says nothing about requests that broke off while it ran.
    this.#doubts -= doubts;
    this.#failed = reason === undefined ? 0 : this.#failed + 1;
    // Without this, requests that await this server's answer would wait for ever.
    if (this.#failed === health.failures) this.#lose();
    if (this.up !== before || (reason && this.#failed === 1)) this.#tell(reason);
  }

  #lose(): void {
    this.#lost.abort(new Unavailable("down", "its checks failed"));
    this.#lost = new AbortController();
  }

  #tell(reason: string | undefined): void {
    const metadata = { model: this.options.name, server: this.name };
    if (reason === undefined) this.log.info(metadata, "a server behind a model answers again");
    else this.log.warn({ ...metadata, reason, up: this.up }, "a check of a server behind a model failed");
  }

  close(): void {
    this.#closed.abort();
  }
}

/** A short reason for the log, without addresses or the request's text. */
export function reasonOf(error: unknown): string {
  if (error instanceof Unavailable) return error.message;
  const { name, message } = error as Error;
  return name === "TimeoutError" ? "it did not answer in time" : (codeOf(error) ?? message);
}
