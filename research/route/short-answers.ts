/**
 * Writes SciQ's questions with their passages as a task of short answers, to be generated: `{"prompt", "answer"}` a line.
 * `npx tsx research/route/short-answers.ts 120 > short-answers.jsonl`
 */
import { everyItem, itemsOf } from "../common/tasks.ts";

const limit = Number(process.argv[2] ?? 120);
// Other items than those of `--task sciq` with its default seed.
for await (const item of itemsOf("choice", "sciq", { ...everyItem, seed: 2, limit })) {
  const { context } = item.choices[0]!;
  const answer = item.choices[item.gold]!.continuation.trim();
  process.stdout.write(`${JSON.stringify({ prompt: context, answer })}\n`);
}
