/** One request, posted as JSON. */
export interface Ask {
  readonly path: string;
  readonly body: object;
}

/**
 * Sends its requests in sequence over one connection. If `last`, first waits until every client without `last` has
 * begun to receive a stream.
 */
export interface Client {
  readonly asks: readonly Ask[];
  readonly last?: boolean;
}

/** A load generator's work: all clients side by side. */
export interface Traffic {
  readonly url: string;
  readonly clients: readonly Client[];
}

/** The result of one request; times are milliseconds since the start of the traffic. */
export interface Answered {
  readonly status: number;
  readonly sent: number;
  /** The time of each event of a stream; empty for a whole answer. */
  readonly events: readonly number[];
  readonly ended: number;
  /** The body; for a stream, its last event that is JSON. */
  readonly body: Body;
}

interface Body {
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
  readonly error?: { readonly message: string };
}
