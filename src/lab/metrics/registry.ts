import { suggest, UserError } from "../../util/errors.ts";
import type { ItemKind } from "../item.ts";
import type { Metric } from "../metric.ts";
import * as metrics from "./index.ts";

/** A metric's members that do not depend on its kind: enough to judge stored parts. */
export type JudgeOfParts = Omit<Metric<ItemKind>, "part">;

const { ndcg, ...plain } = metrics;
const known: readonly JudgeOfParts[] = [...Object.values(plain), ndcg(10)];

/** The metric with this name in stored results. @throws UserError that suggests the nearest name if no metric has it */
export function metricNamed(name: string): JudgeOfParts {
  const cut = /^ndcg@([1-9]\d*)$/.exec(name);
  const metric = cut ? ndcg(Number(cut[1])) : known.find((metric) => metric.name === name);
  if (metric) return metric;
  const names = known.map((metric) => metric.name);
  throw new UserError(`there is no metric "${name}"${suggest(name, names)}`);
}
