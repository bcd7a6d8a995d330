import { UserError } from "../util/errors.ts";

/** A model's files are missing, damaged, or of an unsupported form: the request is not at fault. */
export class ModelFault extends UserError {}

/** A user's mistake as the model's fault; other errors as they are. */
export const asModelFault = (error: unknown): unknown =>
  error instanceof UserError && !(error instanceof ModelFault) ? new ModelFault(error.message, error.exitCode) : error;
