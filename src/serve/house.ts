import type { Logger } from "pino";
import { Bill } from "./bill.ts";
import type { Rates } from "./keys/rates.ts";
import type { Key } from "./keys/store.ts";
import type { LedgerQueue } from "./ledger-queue.ts";
import type { Limits } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import type { Pool } from "./models/pool.ts";
import type { Catalogue } from "./models/served.ts";

/** What all endpoints of one server share. */
export interface House {
  readonly catalogue: Catalogue;
  readonly pool: Pool;
  readonly ledger: LedgerQueue;
  readonly metrics: Metrics;
  readonly limits: Limits;
  readonly rates: Rates;
  readonly log: Logger;
  /** Of Modicum. */
  readonly version: string;
  /** When it was started. */
  readonly started: Date;
  readonly state: { now: "starting" | "ready" | "stopping" };
}

export const billFor = (house: House, model: string, key: Key | undefined): Bill => new Bill(model, key, house);
