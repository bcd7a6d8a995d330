import type { Receipt, ReceiptParts } from "./receipt.ts";
import { amountsOf } from "./together.ts";

type Times = ReceiptParts["ms"];

/** The times of a request that calls several models: each part is summed over the calls. */
export class WallTime {
  readonly #since: number;

  /** `arrived`: when a server took the request, on the clock of `performance.now()`; absent: it arrives now. */
  constructor(private readonly arrived: number | undefined) {
    this.#since = arrived ?? performance.now();
  }

  /** What passed in no call, as in a look-up, is prefill. */
  times(calls: readonly Receipt[]): Times {
    const { ms } = amountsOf(calls);
    const { load, ...others } = ms;
    // A server's request waits while models load; elsewhere they are loaded before it.
    const called = Object.values(others).reduce((sum, part) => sum + part, this.arrived === undefined ? 0 : load);
    return { ...ms, prefill: ms.prefill + Math.max(0, performance.now() - this.#since - called) };
  }

  /** Like `times`; `own` gave the answer, and what other calls decoded before it is prefill. */
  answering(own: Receipt | undefined, calls: readonly Receipt[]): Times {
    const { prefill, decode, ...times } = this.times(calls);
    const last = own?.ms.decode ?? 0;
    return { ...times, prefill: prefill + decode - last, decode: last };
  }
}
