import { UserError } from "../../util/errors.ts";

/** An error for a step whose loss or gradient is not finite; the weights are unchanged. */
export class Spike extends UserError {
  constructor(step: number, loss: number, norm: number, rate: number) {
    super(
      `step ${step}: the loss is ${loss} and the norm of its gradient ${norm}, at a learning rate of ${rate}; use a lower rate, or "spikes: skip"`,
    );
  }
}
