import { asDropped, refusal, Stall, TransientError } from "./network.ts";

/** The address of a file's bytes, and the file's name in messages. */
export interface Remote {
  url: string;
  /** The file's name in messages. */
  what: string;
  /** Headers for the host of `url`; `fetch` removes `authorization` when redirected to another host. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** A host-specific error for a status; undefined to use the general one. */
  explain?: ((response: Response) => Error | undefined) | undefined;
}

export interface Pace {
  /** The number of consecutive failures (without a new kilobyte) before the download stops. */
  attempts: number;
  /** The wait before the second attempt, in ms; it doubles with each further failure. */
  delayMs: number;
  /** A connection that delivers (almost) no data for this long, in ms, counts as dropped. */
  stallMs: number;
}

/** Makes one request and reads the response. Failures that a later request may avoid are thrown as `TransientError`. */
export class Connection {
  private constructor(
    readonly response: Response,
    private readonly remote: Remote,
    private readonly stall: Stall,
  ) {}

  /**
   * Requests the bytes `[from, to)`, or all from `from` if `to` is absent; throws for statuses other than 200 and 206.
   */
  static async open(remote: Remote, pace: Pace, signal: AbortSignal, from = 0, to?: number): Promise<Connection> {
    const stall = new Stall(pace.stallMs);
    const range: Record<string, string> = to === undefined ? {} : { range: `bytes=${from}-${to - 1}` };
    // Lengths and ranges refer to the file itself only if it is sent unencoded.
    const headers = { "accept-encoding": "identity", ...remote.headers, ...range };
    try {
      const response = await fetch(remote.url, { headers, signal: AbortSignal.any([signal, stall.signal]) });
      if (response.status !== 200 && response.status !== 206) {
        throw remote.explain?.(response) ?? refusal(response, remote.what, remote.url);
      }
      return new Connection(response, remote, stall);
    } catch (error) {
      const dropped = stall.signal.aborted ? new TransientError(stall.reason) : asDropped(error, remote.url);
      stall.end();
      throw dropped;
    }
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.response.body ?? []) {
        this.stall.touch(chunk.length);
        yield chunk;
      }
    } catch (error) {
      throw this.stall.signal.aborted ? new TransientError(this.stall.reason) : asDropped(error, this.remote.url);
    } finally {
      this.close();
    }
  }

  close(): void {
    this.stall.end();
  }
}
