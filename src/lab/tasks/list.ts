import type { Entry } from "./family.ts";
import { tasks } from "./registry.ts";

/** A line of `modicum lab tasks`. */
export interface TaskEntry {
  /** The task with its options, as a user writes them. */
  readonly task: string;
  readonly kind: Entry["kind"];
  readonly size: number | undefined;
  /** The task's quality; other metrics are reported beside it. */
  readonly metric: string;
  readonly others: readonly string[];
  readonly source: string;
  readonly summary: string;
}

export const listTasks = (): TaskEntry[] =>
  tasks.map((entry) => {
    const { kind, size, metrics, source, summary } = entry;
    const [metric, ...others] = metrics.map((metric) => metric.name) as [string, ...string[]];
    return { task: withUsage(entry), kind, size, metric, others, source, summary };
  });

function withUsage(entry: Entry): string {
  if (!("usage" in entry)) return entry.name;
  return entry.usage.startsWith("[") ? `${entry.name}[:${entry.usage.slice(1)}` : `${entry.name}:${entry.usage}`;
}
