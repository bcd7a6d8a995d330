import { generate, generateOptions } from "../../src/engine/decode/answer/generate.ts";
import type { PromptSpan } from "../../src/engine/decode/run/spans.ts";
import { type DiffusionInput, diffusionOptions } from "../../src/engine/diffusion/options.ts";
import { spanOf } from "../../src/engine/diffusion/plan/projector.ts";
import {
  carried,
  type PlanModels,
  type Planning,
  type PromptPlan,
  plan,
  promptFor,
} from "../../src/pipelines/plan/plan.ts";
import { normals } from "../../src/util/normals.ts";
import { seededRandom } from "../../src/util/random.ts";
import type { Sample, World } from "./worlds/world.ts";

/** One question answered by an arm. */
export interface Answered {
  readonly right: boolean;
  /** The plan as text; empty without one. */
  readonly plan: string;
  readonly planTokens: number;
  readonly answerTokens: number;
  /** Forward passes of both models. */
  readonly passes: number;
  readonly flops: number;
  readonly ms: number;
}

/** The content of the plan's place for question `i`; undefined: no plan, and a prompt without its place. */
export type Place = (i: number) => Promise<PromptPlan | undefined>;

export const planningOf = (
  channel: Planning["channel"],
  { template, planTokens: tokens }: World,
  diffusion: DiffusionInput = {},
): Planning => ({
  channel,
  template,
  terms: { tokens, diffusion: diffusionOptions.parse(diffusion), temperature: 0 },
});

/** Makes a plan, and its representation in the executor's prompt. @throws UserError as `plan` does */
async function carry(
  { planner, executor, latent }: PlanModels,
  question: string,
  planning: Planning,
): Promise<PromptPlan> {
  const own = latent && { source: latent.source, tokens: latent.projector.metadata.tokens };
  const done = await plan({ planner, latent: own }, question, planning);
  return carried(done, executor, latent?.projector);
}

/** The plan of question `i` itself, or of one `ahead` of it. */
export const planOf =
  (models: PlanModels, samples: readonly Sample[], planning: Planning, ahead = 0): Place =>
  (i) =>
    carry(models, samples[(i + ahead) % samples.length]!.question, planning);

/** Puts the given text in the plan's place. */
export const textPlan =
  ({ executor }: PlanModels, samples: readonly Sample[]): Place =>
  async (i) =>
    carriedFree(executor.tokenizer.encode(samples[i]!.plan), samples[i]!.plan);

/** Rows of noise, each with the mean length of the plan's own rows. */
export function noise(models: PlanModels, samples: readonly Sample[], planning: Planning): Place {
  const normal = normals(seededRandom(9));
  return async (i) => {
    const answer = await carry(models, samples[i]!.question, planning);
    if (!("embeddings" in answer.span)) throw new Error("noise stands for latent vectors");
    const { embeddings } = answer.span;
    const size = Math.sqrt(embeddings.reduce((sum, x) => sum + x * x, 0) / embeddings.length);
    return carriedFree(spanOf(embeddings.map(() => size * normal())), "");
  };
}

const carriedFree = (span: PromptSpan, text: string): PromptPlan => ({
  shown: { channel: "text", text, tokens: 0, passes: 0, ms: 0 },
  span,
  spent: { flops: 0, bytes: 0 },
});

/** Answers a question with what an arm puts in the plan's place. */
export async function answerBy(
  { executor }: PlanModels,
  world: World,
  sample: Sample,
  carried: PromptPlan | undefined,
): Promise<Answered> {
  const started = performance.now();
  const planning = planningOf(carried ? "text" : "none", world);
  const { prompt, embeddings } = promptFor(executor, sample.question, planning, carried?.span ?? []);
  const options = generateOptions.parse({ maxTokens: world.answerTokens });
  let text = "";
  // Arms share prompt prefixes; later arms must not profit from a cache.
  const terms = { embeddings, alone: true };
  for await (const piece of generate(executor.engine, executor.tokenizer, prompt, options, terms)) {
    text += piece.text;
    if (!piece.finish) continue;
    const { tokens, flops } = piece.finish.usage;
    const { shown, spent } = carried ?? { shown: undefined, spent: { flops: 0 } };
    return {
      ...{ right: world.answers(sample, text), plan: shown?.text ?? "", planTokens: shown?.tokens ?? 0 },
      ...{ answerTokens: tokens.completion, passes: tokens.completion + (shown?.passes ?? 0) },
      flops: flops.spent + spent.flops,
      ms: performance.now() - started + (shown?.ms ?? 0),
    };
  }
  throw new Error("an answer ended without its usage");
}

/** The plan that a causal model writes after a question, token by token. */
export async function writtenPlan({ executor }: PlanModels, { question }: Sample, tokens: number): Promise<string> {
  const prompt = executor.tokenizer.encode(`${question}=`);
  const options = generateOptions.parse({ maxTokens: tokens, stop: [">"] });
  let text = "";
  for await (const piece of generate(executor.engine, executor.tokenizer, prompt, options)) text += piece.text;
  return text;
}
