import { UserError } from "../util/errors.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** A model's files are missing, damaged, or of an unsupported form: the request is not at fault. */
export class ModelFault extends UserError {}

/** A folder has a configuration and no weights that can be read. */
export class MissingWeights extends ModelFault {
  constructor(
    message: string,
    /** What the folder says of the model: without tensors. */
    readonly checkpoint: Checkpoint,
  ) {
    super(message);
  }
}

/** A user's mistake as the model's fault; other errors as they are. */
export const asModelFault = (error: unknown): unknown =>
  error instanceof UserError && !(error instanceof ModelFault) ? new ModelFault(error.message, error.exitCode) : error;
