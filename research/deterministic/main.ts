/**
 * Is an answer the same alone, after a cached prompt and beside other requests? `npx tsx research/deterministic/main.ts
 * MODEL` asks a server the same 20 questions after one long system prompt, with `"deterministic": true` and without,
 * and writes results/MODEL.json.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { median } from "../common/median.ts";
import { served } from "../common/served.ts";

const TOPICS =
  "rivers trains bread stars music birds glass paper salt wind copper rain chess tea bridges wool clocks maps soil ink";
const SYSTEM = "You are a careful assistant, who answers in plain words and never makes anything up. ".repeat(25);
const TOGETHER = 8;
const TOKENS = 32;

/** The fields of an answer that are read. */
const completion = z.object({
  choices: z.array(
    z.object({
      logprobs: z.object({ content: z.array(z.object({ token: z.string(), logprob: z.number() })) }),
    }),
  ),
  receipt: z.object({ tokens: z.object({ cached: z.int() }) }),
});

interface Answer {
  readonly tokens: readonly string[];
  readonly logprobs: readonly number[];
  readonly cached: number;
  readonly ms: number;
}

const [model = "smollm2"] = process.argv.slice(2);
const topics = TOPICS.split(" ");
const result = await served(["--model", model], async (url) => {
  const ask = (topic: string, fields: object) => answerTo(url, topic, fields);
  const alone = await inTurn((topic) => ask(topic, { cache_prompt: false }));
  const arms: Record<string, object> = {};
  for (const deterministic of [true, false]) {
    const fields = { deterministic };
    const cached: Answer[] = [];
    const again: Answer[] = [];
    for (const topic of topics) {
      cached.push(await ask(topic, fields));
      again.push(await ask(topic, fields));
    }
    const began = performance.now();
    const together: Answer[] = [];
    for (let at = 0; at < topics.length; at += TOGETHER)
      together.push(...(await Promise.all(topics.slice(at, at + TOGETHER).map((topic) => ask(topic, fields)))));
    arms[deterministic ? "deterministic" : "default"] = {
      cached: comparison(alone, cached),
      again: comparison(alone, again),
      together: { ...comparison(alone, together), seconds: seconds(performance.now() - began) },
    };
  }
  return { model, prompts: topics.length, alone: { ms: medianOf(alone.map(({ ms }) => ms)) }, ...arms };
});
console.log(JSON.stringify(result));
writeFileSync(path.join(import.meta.dirname, "results", `${model}.json`), `${JSON.stringify(result, undefined, 2)}\n`);

async function inTurn(ask: (topic: string) => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const topic of topics) answers.push(await ask(topic));
  return answers;
}

async function answerTo(url: string, topic: string, fields: object): Promise<Answer> {
  const began = performance.now();
  const messages = [
    { role: "system", content: SYSTEM },
    { role: "user", content: `Write two sentences about ${topic}.` },
  ];
  const body = { model, messages, temperature: 0, max_tokens: TOKENS, logprobs: true, ...fields };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const { choices, receipt } = completion.parse(await response.json());
  const { content } = choices[0]!.logprobs;
  return {
    tokens: content.map(({ token }) => token),
    logprobs: content.map(({ logprob }) => logprob),
    cached: receipt.tokens.cached,
    ms: performance.now() - began,
  };
}

/**
 * Compares answers with the answers alone: equal texts, equal log-probabilities, and the largest difference of the
 * latter where texts agree.
 */
function comparison(alone: readonly Answer[], answers: readonly Answer[]) {
  const pairs = answers.map((answer, i) => [answer, alone[i]!] as const);
  const apart = pairs.map(([a, b]) => {
    const until = a.tokens.findIndex((token, at) => token !== b.tokens[at]);
    return a.logprobs.slice(0, until < 0 ? undefined : until).map((logprob, at) => Math.abs(logprob - b.logprobs[at]!));
  });
  const equal = (a: readonly unknown[], b: readonly unknown[]) => a.join("\n") === b.join("\n");
  return {
    equalTexts: pairs.filter(([a, b]) => equal(a.tokens, b.tokens)).length,
    equalLogprobs: pairs.filter(([a, b]) => equal(a.logprobs, b.logprobs)).length,
    greatestNats: Math.max(...apart.flat()),
    cachedTokens: medianOf(answers.map(({ cached }) => cached)),
    ms: medianOf(answers.map(({ ms }) => ms)),
  };
}

/** In whole units: tokens or milliseconds. */
function medianOf(values: readonly number[]): number {
  return Math.round(median(values));
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
