import { UserError } from "../util/errors.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** A model's files are missing, damaged or in an unsupported form: the request is not at fault. */
export class ModelFault extends UserError {}

/** A folder has a configuration but no readable weights. */
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
