import type { Answer, Item } from "../item.ts";
import type { Metric, Part } from "../metric.ts";
import type { Task } from "../task.ts";

/** A metric of any kind. A task's items, answers and metrics share one kind. */
export type AnyMetric = Omit<Metric<never>, "part"> & { part(item: Item, answer: Answer, dense: Answer): Part };

export const metricsOf = (task: Task): readonly AnyMetric[] => task.metrics as unknown as readonly AnyMetric[];

/** The item's part of each of the task's metrics. */
export function parts(task: Task, item: Item, answer: Answer, dense: Answer): Record<string, number[]> {
  return Object.fromEntries(metricsOf(task).map((m) => [m.name, [...m.part(item, answer, dense)]]));
}
