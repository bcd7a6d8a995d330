import type { Logger } from "pino";
import type { Model, Prompt, RunOptions } from "../index.ts";
import type { Memo } from "../util/memo.ts";
import type { WordVectors } from "../weights/vectors/word-vectors.ts";
import { type Asker, Bill } from "./bill.ts";
import type { Fleet } from "./fleet/fleet.ts";
import type { Call } from "./http/endpoint.ts";
import type { Indexes } from "./indexes.ts";
import type { Rates } from "./keys/rates.ts";
import type { LedgerQueue } from "./ledger-queue.ts";
import { deadlineOf, type Limits } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import type { Catalogue } from "./models/catalogue.ts";
import type { Lease, Pool } from "./models/pool.ts";
import type { ModelChoice } from "./models/served.ts";
import type { Tracer } from "./trace/trace.ts";

/** The context that all endpoints of one server share. */
export interface ServerContext {
  readonly catalogue: Catalogue;
  readonly pool: Pool;
  /** Models on other servers. */
  readonly fleet: Fleet;
  readonly indexes: Indexes;
  /** Word vectors for classifying texts, if the server was started with them. */
  readonly vectors: WordVectors | undefined;
  /** Memory that pipelines keep between requests. */
  readonly memo: Memo;
  readonly ledger: LedgerQueue;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly limits: Limits;
  readonly rates: Rates;
  readonly log: Logger;
  /** True if requests are logged with their prompts. */
  readonly logPrompts: boolean;
  /** Modicum's version. */
  readonly version: string;
  /** The server's start time. */
  readonly started: Date;
  readonly state: { now: "starting" | "ready" | "stopping" };
}

/** Answers with the same fingerprint come from the same build of this program. */
export const fingerprintOf = ({ version }: Pick<ServerContext, "version">): string => `build-${version}`;

/**
 * Checks that the request's recipe was measured on prompts of this form, chat or plain.
 * @throws UserError if the recipe was measured on prompts of the other form
 */
export function checkForm(
  { catalogue, log }: Pick<ServerContext, "catalogue" | "log">,
  choice: ModelChoice,
  model: Model,
  { prompt, options }: { readonly prompt: Prompt; readonly options: RunOptions },
): void {
  if (choice.recipe.length === 0) return;
  for (const notice of catalogue.checkForm(choice, model.formOf(prompt, options))) log.warn(notice);
}

/** A new bill; `adapter`: the name of the adapter that answers. */
export const billFor = (context: ServerContext, model: string, call: Asker, adapter?: string): Bill =>
  new Bill(model, call, context, adapter);

/** Leases a request's model; waiting ends if the client leaves or at the request's deadline. */
export const leaseFor = (
  { pool, limits }: ServerContext,
  choice: ModelChoice,
  { key, signal, taken }: Call,
): Promise<Lease> => pool.lease(choice, { key: key?.id, signal, deadline: deadlineOf(limits, taken) });
