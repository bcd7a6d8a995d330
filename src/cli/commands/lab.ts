import type { Command } from "commander";
import { examples } from "../help.ts";
import { defineVerbs, type Verb, type Words } from "../verbs.ts";

const verbs: Readonly<Record<string, Verb>> = {
  run: { summary: "score recipes on tasks, against dense", load: () => import("./lab-run.ts") },
  tune: { summary: "certify the cheapest recipe that keeps quality", load: () => import("./lab-tune.ts") },
  route: { summary: "measure routes between two models", load: () => import("./lab-route.ts") },
  classify: { summary: "measure classification by retrieved categories", load: () => import("./lab-classify.ts") },
  answer: { summary: "measure retrieval gates on questions", load: () => import("./lab-answer.ts") },
  pick: { summary: "register a run's best recipe", load: () => import("./lab-pick.ts") },
  list: { summary: "list the runs in a folder", load: () => import("./lab-list.ts") },
  compare: { summary: "compare two runs of a task, item by item", load: () => import("./lab-compare.ts") },
  worker: { summary: "answer items from a queue", load: () => import("./lab-worker.ts") },
  tasks: { summary: "list the tasks", load: () => import("./lab-tasks.ts") },
};

/** The words after `lab` name a verb. */
export const define = (command: Command, words: Words): Promise<void> =>
  defineVerbs(
    examples(command, "modicum lab tasks", "modicum lab run --task arc-easy --recipe exit:layer=20 --out runs/arc"),
    verbs,
    words,
  );
