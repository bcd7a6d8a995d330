/**
 * Asks Modicum and llama.cpp the same plain questions, on one GGUF and under the same settings: greedy, and as `modicum
 * run` draws by default. `npx tsx research/first-minute/run.ts MODEL OUT.json [SEEDS]` writes all answers; `tables.ts`
 * shows how many are right.
 */
import { writeFileSync } from "node:fs";
import { z } from "zod";
import { load } from "../../src/index.ts";
import { isRight, questionsIn } from "./judge.ts";
import { llamaAnswers, type Settings } from "./llama.ts";

/** The most tokens of an answer. */
const TOKENS = 48;

const questions = questionsIn("questions.jsonl");
const [name = "smollm2", out = "", seeds = "1"] = process.argv.slice(2);
using model = await load(name);
const { language, sampling } = model;
const prompts = questions.map(({ question }) => language.encode(question, false));

const own = sampling?.settings ?? {};
const drawn = Array.from({ length: own.temperature ? z.coerce.number().parse(seeds) : 1 }, (_, i) =>
  own.temperature ? { ...own, seed: i + 1 } : own,
);
const runs = [];
for (const settings of [{ temperature: 0 }, ...drawn] as Settings[]) {
  const ours: string[] = [];
  for (const prompt of prompts) {
    const options = { ...settings, maxTokens: TOKENS, repetitionDetection: false };
    ours.push((await model.complete(prompt, options)).text.trim());
  }
  console.error(`${name}, ${JSON.stringify(settings)}: Modicum has answered`);
  const theirs = await llamaAnswers(language.source.path, prompts, settings, TOKENS);
  const decoded = theirs.map((ids) => language.tokenizer.decode(ids).trim());
  const answers = questions.map((it, i) => ({
    question: it.question,
    modicum: { right: isRight(it, ours[i]!), text: ours[i]! },
    llama: { right: isRight(it, decoded[i]!), text: decoded[i]! },
  }));
  const right = (side: "modicum" | "llama") => answers.filter((answer) => answer[side].right).length;
  runs.push({ settings, right: { modicum: right("modicum"), llama: right("llama") }, answers });
  console.error(JSON.stringify({ settings, right: runs.at(-1)!.right }));
}
writeFileSync(
  out,
  `${JSON.stringify({ model: name, sha256: language.source.sha256, tokens: TOKENS, runs }, undefined, 2)}\n`,
);
