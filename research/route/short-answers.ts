/**
 * Writes SciQ's questions with their passages as a task of short answers, to be generated: `{"prompt", "answer"}` a line.
 * `npx tsx research/route/short-answers.ts 120 > short-answers.jsonl`
 */
import { sciq } from "../../src/lab/tasks/sciq.ts";

const limit = Number(process.argv[2] ?? 120);
// Other items than those of `--task sciq` with its default seed.
for await (const item of sciq.items({ seed: 2, limit, countTokens: (text) => text.length / 4 })) {
  const { context } = item.choices[0]!;
  const answer = item.choices[item.gold]!.continuation.trim();
  process.stdout.write(`${JSON.stringify({ prompt: context, answer })}\n`);
}
