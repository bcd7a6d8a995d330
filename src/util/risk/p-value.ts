import { bettingPValue } from "./betting.ts";
import { binomialPValue } from "./binomial.ts";
import type { Bound, Losses } from "./losses.ts";

/** The p-value of "the expected loss is above the risk", by the test for the losses' type; 1 if nothing can be concluded. */
export function pValue({ type, values }: Losses, bound: Bound): number {
  switch (type) {
    case "binary":
      return binomialPValue({ type, values }, bound.risk);
    case "unit":
    case "signed":
      return bettingPValue({ type, values }, bound);
  }
}
