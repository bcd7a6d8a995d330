/**
 * Writes prompts to tune on, each a passage of SciQ with its question, without the answer:
 * `npx tsx research/auto/tune-prompts.ts FILE.jsonl [COUNT]`.
 */
import { writeWhole } from "../../src/util/write-whole.ts";
import { itemsOf } from "../common/tasks.ts";

const [file, count = "150"] = process.argv.slice(2);

async function main(): Promise<void> {
  const prompts: string[] = [];
  for await (const { choices } of itemsOf("choice", "sciq")) {
    const { context } = choices[0]!;
    const passage = context.replace(/\nQuestion: (.*)\nAnswer:$/, "\n\n$1 Answer with words of the text.");
    if (!context.startsWith("\nQuestion:")) prompts.push(passage);
    if (prompts.length === Number(count)) break;
  }
  await writeWhole(file!, prompts.map((prompt) => `${JSON.stringify({ prompt })}\n`).join(""));
}

await main();
