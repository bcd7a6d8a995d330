/**
 * The values that a loss can take by its definition: `binary` 0 or 1, `unit` 0 to 1, `signed` −1 to 1. The test depends
 * on this type, never on the observed values.
 */
export type LossType = "binary" | "unit" | "signed";

/** Losses of independent items, one per item, in an order that does not depend on the losses. */
export interface Losses<T extends LossType = LossType> {
  readonly type: T;
  readonly values: readonly number[];
}

/** The bound on an expected loss, and the probability with which a certificate holds. */
export interface Bound {
  readonly risk: number;
  readonly confidence: number;
}

/** False if nothing can be concluded: there are no losses, one is NaN or outside its range, or the risk is not between 0 and 1. */
export const areUsable = ({ type, values }: Losses, risk: number): boolean =>
  values.length > 0 && values.every((loss) => isInRange(type, loss)) && risk > 0 && risk < 1;

function isInRange(type: LossType, loss: number): boolean {
  switch (type) {
    case "binary":
      return loss === 0 || loss === 1;
    case "unit":
      return loss >= 0 && loss <= 1;
    case "signed":
      return loss >= -1 && loss <= 1;
  }
}
