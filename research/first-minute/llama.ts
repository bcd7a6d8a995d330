import { LlamaLogLevel, type Token } from "node-llama-cpp";
import { open } from "../../bench/peer/model.ts";
import { best } from "../../bench/peer/settings.ts";
import type { GenerateInput } from "../../src/index.ts";
import { availableThreads } from "../../src/runtime/threads.ts";

/** Tokens that a penalty sees. */
const WINDOW = 64;

export type Settings = Pick<GenerateInput, "temperature" | "topK" | "topP" | "repetitionPenalty" | "seed">;

/** llama.cpp's answers to prompts of token ids, each at most `most` tokens and without the one that ended it. */
export async function llamaAnswers(
  file: string,
  prompts: readonly (readonly number[])[],
  { temperature = 0, topK = 0, topP = 1, repetitionPenalty = 1, seed }: Settings,
  most: number,
): Promise<number[][]> {
  const { model, context } = await open(file, 1024, { ...best, threads: availableThreads() });
  model.llama.logLevel = LlamaLogLevel.error;
  const sequence = context.getSequence();
  const answers: number[][] = [];
  for (const prompt of prompts) {
    await sequence.clearHistory();
    const all = [...prompt] as Token[];
    const drawn = { temperature, topK, topP, ...(seed !== undefined && { seed }) };
    const penalty = { punishTokens: () => all.slice(-WINDOW), maxPunishTokens: WINDOW, penalty: repetitionPenalty };
    for await (const token of sequence.evaluate([...all], { ...drawn, repeatPenalty: penalty })) {
      all.push(token);
      if (all.length === prompt.length + most) break;
    }
    answers.push(all.slice(prompt.length));
  }
  await context.dispose();
  await model.dispose();
  return answers;
}
