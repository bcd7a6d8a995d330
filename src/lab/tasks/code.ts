import { z } from "zod";
import { requests } from "../data/olmo.ts";
import { bleu, editSimilarity, passes } from "../metrics/index.ts";
import { checkSandbox, sandboxSentence } from "../sandbox/python.ts";
import type { ItemsFor, TaskOf } from "../task.ts";
import { type Family, readOptions } from "./family.ts";
import { fromRows, type RowsTask } from "./from-rows.ts";

const options = z.strictObject({
  execute: z.enum(["yes", "no"], 'expected "yes" or "no"').default("no"),
});

/**
 * Code tasks: scored by similarity to the authors' own code, without executing anything; or, if the user allows
 * execution, by whether the answer passes the task's tests.
 */
function family<R>(task: Omit<RowsTask<"generation", R>, "kind" | "metrics">): Family {
  const likeness = fromRows<"generation", R>({ ...task, kind: "generation", metrics: [editSimilarity, bleu] });
  return {
    ...likeness,
    usage: "[execute=yes]",
    make(text): TaskOf<"generation"> {
      const { execute } = readOptions(task.name, options, text);
      if (execute === "no") return likeness;
      checkSandbox();
      return {
        ...likeness,
        name: `${task.name}:${text}`,
        metrics: [passes, editSimilarity],
        items: (run) => itemsWithNotice(likeness, run),
      };
    },
  };
}

function itemsWithNotice(task: TaskOf<"generation">, run: ItemsFor) {
  run.onNotice?.(`${task.name}: ${sandboxSentence}`);
  return task.items(run);
}

export const humaneval = family({
  name: "humaneval",
  summary:
    "Python functions from their docstrings: HumanEval (arXiv 2107.03374), by similarity to the authors' solution; nothing is executed unless requested",
  size: 164,
  place: requests("codex_humaneval/gold_bpb_0shot"),
  row: z.object({
    doc: z.object({
      ...{ task_id: z.string(), prompt: z.string(), canonical_solution: z.string() },
      ...{ test: z.string(), entry_point: z.string() },
    }),
  }),
  item: ({ doc: { task_id, prompt, canonical_solution, test, entry_point } }) => ({
    id: task_id,
    prompt,
    stop: ["\nclass", "\ndef", "\n#", "\nif", "\nprint"],
    maxTokens: 256,
    answers: [canonical_solution],
    tests: `${test}\ncheck(${entry_point})`,
  }),
});

export const mbpp = family({
  name: "mbpp",
  summary:
    "Python functions from a sentence and tests: MBPP, test (arXiv 2108.07732), by similarity to the authors' solution; nothing is executed unless requested",
  size: 500,
  place: requests("codex_mbpp/gold_bpb_0shot"),
  row: z.object({
    doc: z.object({
      ...{ task_id: z.int(), text: z.string(), code: z.string() },
      ...{ test_list: z.array(z.string()), test_setup_code: z.string() },
    }),
  }),
  item: ({ doc: { task_id, text, code, test_list, test_setup_code } }) => ({
    id: String(task_id),
    prompt: `"""\n${text}\n${test_list.join("\n")}\n"""\n`,
    stop: ["\nclass", "\nassert", '\n"""', "\nprint", "\nif"],
    maxTokens: 256,
    answers: [code.replaceAll("\r\n", "\n")],
    tests: [test_setup_code, ...test_list].join("\n"),
  }),
});
