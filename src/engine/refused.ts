/** Why a request was not begun: the queue is full, its deadline passed while it waited, or no more are taken. */
export type Refusal = "full" | "deadline" | "closing";

const says = {
  full: "too many requests are waiting",
  deadline: "the request's deadline passed while it was waiting for its turn",
  closing: "the server is shutting down",
} satisfies Record<Refusal, string>;

/** A request that was not begun, and after how many seconds it may be tried again. Nothing was spent on it. */
export class Refused extends Error {
  override readonly name = "Refused";
  constructor(
    readonly reason: Refusal,
    readonly retryAfter: number,
  ) {
    super(`${says[reason]}; try again in ${retryAfter} s`);
  }
}
