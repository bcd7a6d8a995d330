import { UserError } from "../../util/errors.ts";

/** A step with a loss or gradient that is not finite. The weights are unchanged. */
export class Spike extends UserError {
  constructor(step: number, loss: number, norm: number, rate: number) {
    super(
      `step ${step}: the loss is ${loss} and the norm of its gradient ${norm}, at a learning rate of ${rate}; use a lower rate, or "spikes: skip"`,
    );
  }
}
