import { z } from "zod";
import { requests } from "../data/olmo.ts";
import { bleu, editSimilarity } from "../metrics/index.ts";
import { fromRows } from "./from-rows.ts";

const metrics = [editSimilarity, bleu] as const;

export const humaneval = fromRows({
  name: "humaneval",
  summary:
    "Python functions from their docstrings: HumanEval (arXiv 2107.03374), by likeness to the authors' solution; nothing is executed",
  kind: "generation",
  size: 164,
  metrics,
  place: requests("codex_humaneval/gold_bpb_0shot"),
  row: z.object({ doc: z.object({ task_id: z.string(), prompt: z.string(), canonical_solution: z.string() }) }),
  item: ({ doc: { task_id, prompt, canonical_solution } }) => ({
    id: task_id,
    prompt,
    stop: ["\nclass", "\ndef", "\n#", "\nif", "\nprint"],
    maxTokens: 256,
    answers: [canonical_solution],
  }),
});

export const mbpp = fromRows({
  name: "mbpp",
  summary:
    "Python functions from a sentence and tests: MBPP, test (arXiv 2108.07732), by likeness to the authors' solution; nothing is executed",
  kind: "generation",
  size: 500,
  metrics,
  place: requests("codex_mbpp/gold_bpb_0shot"),
  row: z.object({
    doc: z.object({ task_id: z.int(), text: z.string(), code: z.string(), test_list: z.array(z.string()) }),
  }),
  item: ({ doc: { task_id, text, code, test_list } }) => ({
    id: String(task_id),
    prompt: `"""\n${text}\n${test_list.join("\n")}\n"""\n`,
    stop: ["\nclass", "\nassert", '\n"""', "\nprint", "\nif"],
    maxTokens: 256,
    answers: [code.replaceAll("\r\n", "\n")],
  }),
});
