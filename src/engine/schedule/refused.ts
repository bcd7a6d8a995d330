/** The reason for a refusal: the queue is full, a deadline passed before any answer, or the server is closing. */
export type Refusal = "full" | "deadline" | "closing";

const says = {
  full: "too many requests are waiting",
  deadline: "the request timed out before it was answered",
  closing: "the server is shutting down",
} satisfies Record<Refusal, string>;

/** A request that was not answered, and the number of seconds after which to try again. */
export class Refused extends Error {
  override readonly name = "Refused";
  constructor(
    readonly reason: Refusal,
    readonly retryAfter: number,
  ) {
    super(`${says[reason]}; try again in ${retryAfter} s`);
  }
}
