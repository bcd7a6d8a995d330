import { UserError } from "../../util/errors.ts";
import { agreement, commonPrefix, rougeLWithDense } from "../metrics/index.ts";
import type { Task, TaskOf } from "../task.ts";
import type { Family } from "./family.ts";

const metrics = [agreement, commonPrefix, rougeLWithDense] as const;

/** @param find returns the task that a text names */
export const consistency = (find: (text: string) => Promise<Task>): Family => ({
  name: "consistency",
  summary: "How closely a recipe's answers to another task's prompts match the dense run's, right or wrong",
  kind: "generation",
  source: "TASK, which must have text answers",
  size: undefined,
  metrics,
  usage: "TASK",
  async make(text): Promise<TaskOf<"generation">> {
    if (text === "") throw new UserError("consistency: expected a task after a colon, such as consistency:gsm8k", 2);
    const task = await find(text);
    if (task.kind !== "generation")
      throw new UserError(
        `consistency: ${task.name} is of the kind ${task.kind}, expected a task with text answers`,
        2,
      );
    const { chat, ...plain } = task;
    const compared = { name: `consistency:${task.name}`, metrics };
    return { ...plain, ...compared, ...(chat && { chat: { ...chat, ...compared } }) };
  },
});
