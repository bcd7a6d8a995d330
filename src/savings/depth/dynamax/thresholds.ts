import { UserError } from "../../../util/errors.ts";
import type { ModelForm } from "../../../weights/prepared/quant.ts";
import { formAdvice, formDifference } from "../../notice-form.ts";
import type { CertifiedThreshold, DeciderFile } from "../exits/artefact.ts";

/** Exit probabilities to test, from the strictest to the laxest. */
export const thresholdGrid: readonly number[] = [
  ...[0.9999, 0.9995, 0.999, 0.998, 0.995, 0.99],
  ...Array.from({ length: 99 }, (_, i) => (98 - i) / 100),
];

/**
 * A classifier's threshold that is certified for a risk and for the weight form that the model runs in. @throws
 * UserError if there is no such threshold
 */
export function certifiedThreshold(
  folder: string,
  { kind, thresholds = [] }: DeciderFile,
  risk: number,
  running: ModelForm | undefined,
): CertifiedThreshold {
  const usable = thresholds.filter((each) => running === undefined || formDifference(each, running) === undefined);
  const found = usable.find((each) => each.risk === risk);
  if (found) return found;
  throw new UserError(
    `dynamax: ${folder} has no threshold certified for risk=${risk} with classifier=${kind}; ${othersOf(thresholds, usable, running)}`,
    2,
  );
}

function othersOf(
  all: readonly CertifiedThreshold[],
  usable: readonly CertifiedThreshold[],
  running: ModelForm | undefined,
): string {
  if (usable.length > 0) return `certified are ${usable.map(inWords).join(", ")}`;
  const [other] = all;
  if (other)
    return `its thresholds were certified while ${formDifference(other, running!)} here${formAdvice(other.quant, running?.quant)}`;
  return "`modicum savings calibrate dynamax` certifies thresholds";
}

const inWords = ({ risk, confidence }: CertifiedThreshold): string => `${risk} (confidence ${confidence})`;
