import type { Receipt, ReceiptParts } from "./receipt.ts";
import { amountsOf } from "./together.ts";

type Times = ReceiptParts["ms"];

/** Computes the times of a request that calls several models; each kind of time is summed over the calls. */
export class WallTime {
  readonly #since: number;

  /** `arrived`: when a server received the request, as in `performance.now()`; default: now. */
  constructor(private readonly arrived: number | undefined) {
    this.#since = arrived ?? performance.now();
  }

  /** Time outside the calls, such as a look-up, counts as prefill. */
  times(calls: readonly Receipt[]): Times {
    const { ms } = amountsOf(calls);
    const { load, ...others } = ms;
    // On a server, a request waits while models load; elsewhere, models are loaded before the request arrives.
    const called = Object.values(others).reduce((sum, part) => sum + part, this.arrived === undefined ? 0 : load);
    return { ...ms, prefill: ms.prefill + Math.max(0, performance.now() - this.#since - called) };
  }

  /** Like `times`; the call `own` produced the answer, and decoding in other calls counts as prefill. */
  answering(own: Receipt | undefined, calls: readonly Receipt[]): Times {
    const { prefill, decode, ...times } = this.times(calls);
    const last = own?.ms.decode ?? 0;
    return { ...times, prefill: prefill + decode - last, decode: last };
  }
}
