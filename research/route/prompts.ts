/**
 * Writes the prompts on which the shipped routes are calibrated: questions as people ask them, the same number of each of five tasks, without answers.
 * `npx tsx research/route/prompts.ts 40 > prompts.jsonl`
 */
import { findTask, type Task } from "../../src/index-lab.ts";
import { everyItem, type ItemOf } from "../common/tasks.ts";

const TASKS = ["triviaqa", "sciq", "arc-easy", "gsm8k", "mbpp"];

/** Only the question: no passage before it, no "Answer:" after it, no tests of a program. */
function questionOf(item: ItemOf<Task["kind"]>): string {
  const text = item.kind === "choice" ? item.choices[0]!.context : item.kind === "generation" ? item.prompt : "";
  const [question = text] = text.split(/\n(?:Answer|A):/).slice(-2);
  const last = question.split(/(?:^|\n)(?:Question|Q): ?/).at(-1)!;
  const lines = last.split("\n").filter((line) => !/^(assert |""")/.test(line));
  return lines.join("\n").replace(/\?+$/, "?").trim();
}

const count = Number(process.argv[2] ?? 40);
for (const name of TASKS) {
  const task = await findTask(name);
  let remaining = count;
  // Other items than the results', which are drawn with seed 0.
  for await (const item of task.items({ ...everyItem, seed: 1, limit: count })) {
    if (remaining-- <= 0) break;
    process.stdout.write(`${JSON.stringify({ prompt: questionOf(item) })}\n`);
  }
}
