import type { LabTasks } from "../../train/session/tasks.ts";
import type { ResolveOptions } from "../../weights/sources/index.ts";

/** The lab's code is loaded only for runs with tasks. */
const lab = () => import("./score-tasks.ts");

/** The lab's tasks for runs that are scored on them. */
export const labTasks = (resolving: ResolveOptions): LabTasks => ({
  find: async (names) => (await lab()).findTasks(names, resolving),
  open: async (options, countTokens) => (await lab()).openTasks(options, countTokens, resolving),
});
