import type { Model, RunOptions } from "../../src/index.ts";
import { seededRandom } from "../../src/util/random.ts";

export const PROMPT_TOKENS = 256;
const ANSWER = 64;

/** The processor's milliseconds, and FLOPs. */
export interface Spent {
  readonly ms: number;
  readonly flops: number;
}

/** Each prompt is another, since a prompt's state is kept for the next that begins alike. */
const random = seededRandom(0);

interface Terms {
  /** Prompts are of the twenty tokens from here on. */
  readonly from?: number;
  /** Keeps tokens that would end the answer from being chosen. */
  readonly logitBias?: RunOptions["logitBias"];
}

/** The cost of a prompt, and of each token after it. */
export async function timed(
  model: Model,
  { from = 0, logitBias = {} }: Terms = {},
): Promise<{ readonly prompt: Spent; readonly token: Spent }> {
  const spent = async (maxTokens: number): Promise<Spent & { readonly tokens: number }> => {
    const prompt = Array.from({ length: PROMPT_TOKENS }, () => from + Math.floor(20 * random()));
    const before = process.cpuUsage();
    const { receipt, tokens } = await model.complete(prompt, { maxTokens, temperature: 0, logitBias });
    const { user, system } = process.cpuUsage(before);
    return { ms: (user + system) / 1000, flops: receipt.flops.spent, tokens: tokens.length };
  };
  const [first, all] = [await spent(1), await spent(ANSWER)];
  const perToken = (of: "ms" | "flops") => (all[of] - first[of]) / (all.tokens - 1);
  return { prompt: first, token: { ms: perToken("ms"), flops: perToken("flops") } };
}
