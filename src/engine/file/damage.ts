import { ModelFault } from "../../weights/model-fault.ts";
import { checkPrepared } from "../../weights/prepared/check.ts";
import { checkDownload, preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import type { NotFinite } from "../not-finite.ts";

/**
 * Finds why a model computed non-finite numbers: verifies its files and its prepared weights. Damaged prepared weights
 * are deleted, and the next load prepares them again.
 */
export async function damageBehind(fault: NotFinite, { path }: ResolvedModel): Promise<ModelFault> {
  if (checkPrepared(preparedFolder(path)).removed.length > 0)
    return new ModelFault(`${fault.message}; damaged prepared weights have been removed; load the model again`);
  try {
    await checkDownload(path, true);
    return fault;
  } catch (error) {
    return error instanceof ModelFault ? new ModelFault(`${fault.message}; ${error.message}`) : fault;
  }
}
