import type { TokenScore } from "../../engine/decode/score/likelihood.ts";
import type { LossName } from "../../savings/auto/certificate.ts";
import { UserError } from "../../util/errors.ts";
import { mean } from "../../util/mean.ts";
import type { LossType } from "../../util/risk/losses.ts";
import type { ItemMetric } from "./items.ts";

/** The numbers of an answer that a loss compares. */
export interface Traits {
  /** The value of the task's metric. */
  readonly quality?: number | undefined;
  /** A hash of the text. */
  readonly text: string;
  /** Nats per token by which dense finds the answer less likely than a reference: see `Serving.excess`. */
  readonly excess?: number | undefined;
}

/** The items' metric, and whether decoding is greedy. */
export interface Setting {
  readonly metric: ItemMetric | undefined;
  readonly greedy: boolean;
}

/** The default loss of the items. */
export function usualLoss({ metric, greedy }: Setting): LossName {
  if (metric === undefined) return "nats";
  return greedy ? "harm" : "quality";
}

/** @throws UserError if the loss does not fit the items or the sampling */
export function checkLoss(name: LossName, { metric, greedy }: Setting): void {
  if ((name === "harm" || name === "quality") && metric === undefined)
    throw new UserError(
      `--loss ${name} compares qualities: expected items with answers, and a metric with a number in [0, 1] for each`,
      2,
    );
  if ((name === "harm" || name === "agreement") && !greedy)
    throw new UserError(
      `--loss ${name} needs greedy answers, but these are drawn at random; --temperature 0 makes them greedy`,
      2,
    );
}

/** The range of an item's loss by its definition. */
export function lossType(name: LossName, { metric, greedy }: Setting): LossType {
  switch (name) {
    case "harm":
      return metric!.scale;
    case "quality":
      return "signed";
    case "agreement":
      return "binary";
    case "nats":
      return greedy ? "unit" : "signed";
  }
}

/** An item's loss, of the type from `lossType`; NaN if one of its numbers is missing. */
export function lossOf(name: LossName, type: LossType, saved: Traits, dense: Traits): number {
  switch (name) {
    case "harm":
      return Math.max(0, less(dense.quality, saved.quality));
    case "quality":
      return less(dense.quality, saved.quality);
    case "agreement":
      return saved.text === dense.text ? 0 : 1;
    case "nats":
      return type === "signed"
        ? Math.min(1, Math.max(-1, less(saved.excess, 0)))
        : Math.min(1, Math.max(0, less(saved.excess, dense.excess)));
  }
}

const less = (a = Number.NaN, b = Number.NaN): number => a - b;

/** The mean gap, in nats, between the likeliest token's log-probability and the answer token's; NaN without tokens. */
export const excessOf = (tokens: readonly TokenScore[]): number => mean(tokens.map(({ best, nats }) => best - nats));

/** A loss in words, for reports. */
export function lossInWords(name: LossName, metric: ItemMetric | undefined, type: LossType): string {
  switch (name) {
    case "harm":
      return `an answer's loss of ${metric!.name} relative to dense`;
    case "quality":
      return `the mean loss of ${metric!.name}, net of gains`;
    case "agreement":
      return "share of answers whose text differs from dense's";
    case "nats":
      return type === "signed"
        ? "nats per token by which dense finds the served answer less likely than the recipe that drew it, capped at 1"
        : "nats per token by which dense finds the served answer less likely than its own, capped at 1";
  }
}
