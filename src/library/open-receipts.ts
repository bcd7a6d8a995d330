import { existsSync } from "node:fs";
import { emptyLedger, type Ledger, openLedger } from "../ledger/store.ts";
import { receiptsFile } from "../weights/sources/index.ts";

/**
 * Opens the receipts of answers for reading: in `MODICUM_HOME` (empty before the first answer), or in the ledger at
 * `place`, a file or `postgres://…`. Dispose of it (`await using`, or `await receipts.close()`).
 * @throws UserError if there is no such ledger
 */
export async function openReceipts(place?: string): Promise<Ledger> {
  const file = place ?? receiptsFile();
  return place === undefined && !existsSync(file) ? await emptyLedger() : await openLedger(file, "read");
}
