import { UserError } from "modicum";
import { Agent, type Dispatcher, fetch, type Response } from "undici";
import type { Validators } from "../store/fetched.ts";
import { checkHost, publicLookup } from "./addresses.ts";
import { backOff, type Clock, realClock, retryAfter, Turns } from "./patience.ts";
import { readText } from "./read-text.ts";

const REDIRECTS = 5;
const TRIES = 4;
/** The longest wait that a server may ask for, and the longest time of one request, in milliseconds. */
const [LONGEST_WAIT, LONGEST_REQUEST] = [600_000, 120_000];
const AGENT = "modicum-papers (a reader's own feed; one request every 3 s)";

export interface FetchOptions {
  /** If true, also reads from this machine and private networks. */
  readonly allowPrivate?: boolean | undefined;
  readonly clock?: Clock | undefined;
}

/** An address's content; undefined if it has not changed since the validators were stored. */
export type Fetched = { readonly text: string; readonly validators: Validators } | undefined;

/** Reads addresses politely: requests to a host are 3 s apart, and busy servers get the pause they ask for. */
export class Fetcher implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #dispatcher: Dispatcher;
  readonly #allowPrivate: boolean;

  constructor({ allowPrivate = false, clock = realClock }: FetchOptions = {}) {
    this.#clock = clock;
    this.#turns = new Turns(clock);
    this.#allowPrivate = allowPrivate;
    this.#dispatcher = new Agent(allowPrivate ? {} : { connect: { lookup: publicLookup } });
  }

  /** @throws UserError */
  async fetch(address: string, known: Validators | undefined, signal?: AbortSignal): Promise<Fetched> {
    for (let failures = 1; ; failures++) {
      const got = await this.#attempt(new URL(address), known, signal);
      if (!(got instanceof Busy)) return got;
      const wait = backOff(failures, got.wanted);
      if (failures === TRIES || wait > LONGEST_WAIT) throw new UserError(`${address}: ${got.reason}`);
      await this.#clock.sleep(wait, signal);
    }
  }

  /** One attempt, with its redirects. */
  async #attempt(url: URL, known: Validators | undefined, signal?: AbortSignal): Promise<Fetched | Busy> {
    let at = url;
    for (let redirects = 0; redirects <= REDIRECTS; redirects++) {
      const response = await this.#request(at, known, signal);
      if (response instanceof Busy) return response;
      const next = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
      if (next === null) return this.#answer(at, response);
      await response.body?.cancel();
      at = new URL(next, at);
    }
    throw new UserError(`${url}: more than ${REDIRECTS} redirects`);
  }

  async #request(url: URL, known: Validators | undefined, signal?: AbortSignal): Promise<Response | Busy> {
    if (!/^https?:$/.test(url.protocol)) throw new UserError(`${url}: expected an http or https address`);
    if (!this.#allowPrivate) checkHost(url);
    await this.#turns.wait(url.host, signal);
    const limit = AbortSignal.timeout(LONGEST_REQUEST);
    try {
      return await fetch(url, {
        dispatcher: this.#dispatcher,
        redirect: "manual",
        headers: headersFor(known),
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
    } catch (error) {
      signal?.throwIfAborted();
      const { cause } = error as Error;
      if (cause instanceof UserError) throw cause;
      return new Busy(`no answer (${((cause as Error | undefined) ?? (error as Error)).message})`, undefined);
    }
  }

  async #answer(url: URL, response: Response): Promise<Fetched | Busy> {
    const { status, headers } = response;
    if (status === 200) {
      const validators = { etag: headers.get("etag"), modified: headers.get("last-modified") };
      return { text: await readText(url, response), validators };
    }
    await response.body?.cancel();
    if (status === 304) return undefined;
    if (status !== 429 && status < 500) throw new UserError(`${url}: the server answers ${status}`);
    return new Busy(`the server answers ${status}`, retryAfter(headers.get("retry-after"), this.#clock.now()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.close();
  }
}

/** A temporary failure. */
class Busy {
  constructor(
    readonly reason: string,
    /** The milliseconds that the server asks to wait, if any. */
    readonly wanted: number | undefined,
  ) {}
}

const headersFor = (known: Validators | undefined): Record<string, string> => ({
  "user-agent": AGENT,
  accept: "application/atom+xml, application/rss+xml, application/json, text/plain;q=0.9, */*;q=0.5",
  ...(known?.etag != null && { "if-none-match": known.etag }),
  ...(known?.modified != null && { "if-modified-since": known.modified }),
});
