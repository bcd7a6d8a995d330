import type { Model, ReadOptions } from "../../index.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import type { Call } from "../http/endpoint.ts";
import { leastOf } from "../keys/terms.ts";
import type { ModelChoice } from "../models/served.ts";
import { billFor, leaseFor, type ServerContext } from "../server-context.ts";

/** A call whose request may set its own ceiling. */
interface Reading extends Call {
  readonly body: { readonly max_flops?: number | null | undefined };
}

/** Reads texts with a model and bills the request once; if it is stopped, only for completed work. */
export async function billed<T extends { receipt: Receipt }>(
  context: ServerContext,
  choice: ModelChoice,
  { body, ...call }: Reading,
  read: (model: Model, terms: ReadOptions) => Promise<T>,
): Promise<T> {
  using lease = await leaseFor(context, choice, call);
  using bill = billFor(context, choice.served.id, call);
  const result = await read(lease.model, {
    ...bill.terms,
    signal: call.signal,
    ceiling: { flops: leastOf(body.max_flops, call.key?.terms.maxFlops) },
  });
  bill.add(result.receipt);
  return { ...result, receipt: bill.close("stop") };
}
