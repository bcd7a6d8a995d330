/**
 * How much does think-tiny reason, and how often is it right? `npx tsx research/thinking/main.ts` asks a server the same
 * questions with each effort and budget, and writes results/think-tiny.json.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { served } from "../common/served.ts";
import { type Chain, testChains } from "./chains.ts";

const MODEL = "think-tiny";
const ARMS = [
  {},
  { reasoning_effort: "low" },
  { reasoning_effort: "none" },
  ...[40, 20, 10, 0].map((thinking_token_budget) => ({ thinking_token_budget })),
];

/** The fields of an answer that this script reads. */
const completion = z.object({
  choices: z.tuple([z.object({ message: z.object({ content: z.string() }) })]),
  usage: z.object({ completion_tokens_details: z.object({ reasoning_tokens: z.int() }) }),
});

async function answerTo(url: string, { question, answer }: Chain, fields: object) {
  const messages = [{ role: "user", content: question }];
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, messages, temperature: 0, max_tokens: 160, ...fields }),
  });
  const { choices, usage } = completion.parse(await response.json());
  return {
    isRight: choices[0].message.content === answer,
    tokens: usage.completion_tokens_details.reasoning_tokens,
  };
}

const chains = testChains();
const arms = await served(["--model", MODEL], async (url) => {
  const results: object[] = [];
  for (const fields of ARMS) {
    const answers = [];
    for (const chain of chains) answers.push(await answerTo(url, chain, fields));
    const tokens = answers.reduce((total, answer) => total + answer.tokens, 0) / chains.length;
    results.push({ fields, right: answers.filter(({ isRight }) => isRight).length, reasoningTokens: tokens });
  }
  return results;
});
const result = { model: MODEL, questions: chains.length, arms };
console.log(JSON.stringify(result));
const file = path.join(import.meta.dirname, "results", `${MODEL}.json`);
writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
