import { UserError } from "../util/errors.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** An error for a model whose files are missing, damaged or unsupported, so that the request is not at fault. */
export class ModelFault extends UserError {}

/** An error for a folder that has a configuration but no readable weights. */
export class MissingWeights extends ModelFault {
  constructor(
    message: string,
    /** The folder's configuration, without tensors. */
    readonly checkpoint: Checkpoint,
  ) {
    super(message);
  }
}

/** Converts a UserError into a ModelFault; other errors are returned unchanged. */
export const asModelFault = (error: unknown): unknown =>
  error instanceof UserError && !(error instanceof ModelFault) ? new ModelFault(error.message, error.exitCode) : error;
