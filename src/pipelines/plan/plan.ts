import type { GenerateOptions, Piece } from "../../engine/answer/generate.ts";
import { generate } from "../../engine/answer/generate.ts";
import type { DiffusionModel } from "../../engine/diffusion/diffusion-model.ts";
import type { LanguageModel } from "../../engine/language-model.ts";
import type { LatentSource } from "../../engine/plan/latents.ts";
import { makePlan, type PlanTerms } from "../../engine/plan/make-plan.ts";
import type { Projector } from "../../engine/plan/projector.ts";
import { type Channel, executorPrompt, plannerPrompt, type Template } from "../../engine/plan/template.ts";
import { type PromptSpan, promptOfSpans, type SpannedPrompt } from "../../engine/run/spans.ts";
import { addSpent, type Spent } from "../../graph/index.ts";
import { UserError } from "../../util/errors.ts";

/** A planner, an executor, and what carries states from one to the other, if it was trained. */
export interface PlanModels {
  readonly planner: DiffusionModel;
  readonly executor: LanguageModel;
  readonly latent?: { readonly source: LatentSource; readonly projector: Projector } | undefined;
}

/** The terms of one planned answer. */
export interface Planning {
  readonly channel: Channel;
  readonly template: Template;
  readonly terms: Omit<PlanTerms, "states">;
}

/** The plan of an answer as a reader sees it, also where it went as vectors. */
export interface ShownPlan {
  readonly channel: Channel;
  readonly text: string;
  /** Tokens that were planned; 0 without a plan. */
  readonly tokens: number;
  /** Forward passes of the planner. */
  readonly passes: number;
  /** Milliseconds. */
  readonly ms: number;
}

/** A plan on its way into the executor's prompt. */
export interface Carried {
  readonly shown: ShownPlan;
  /** Tokens or rows that stand in the plan's place; none without a plan. */
  readonly span: PromptSpan;
  readonly spent: Spent;
}

/** A piece of a planned answer; the first and the last have the plan, the last has the cost of planning. */
export interface PlannedPiece extends Piece {
  readonly plan?: ShownPlan;
  readonly planned?: Spent;
}

/**
 * Plans, then answers (Berrayana et al. 2025, arXiv 2510.15244, and its revision 2603.09184).
 * @throws UserError if the plan cannot be made or carried, or has end tokens only
 */
export async function* planAndAnswer(
  models: PlanModels,
  question: string,
  planning: Planning,
  options: GenerateOptions,
  signal?: AbortSignal,
): AsyncGenerator<PlannedPiece, void> {
  const carried = await carry(models, question, planning, signal);
  const { tokens, text } = carried.shown;
  if (tokens > 0 && text === "")
    throw new UserError(
      `${models.planner.source.name}: the plan has end tokens only; expected others, as with the option ends=last or ends=never`,
    );
  const { engine, tokenizer } = models.executor;
  const { prompt, embeddings } = promptFor(models.executor, question, planning, carried.span);
  let first = true;
  for await (const piece of generate(engine, tokenizer, prompt, options, { signal, embeddings })) {
    const told = first || piece.finish ? { plan: carried.shown } : {};
    yield { ...piece, ...told, ...(piece.finish && { planned: carried.spent }) };
    first = false;
  }
}

/** Makes the plan and what stands for it in the executor's prompt. @throws UserError */
export async function carry(
  models: PlanModels,
  question: string,
  planning: Planning,
  signal?: AbortSignal,
): Promise<Carried> {
  const started = performance.now();
  switch (planning.channel) {
    case "none":
      return carriedAs("none", { text: "", ids: [], passes: 0 }, [], { flops: 0, bytes: 0 }, started);
    case "text": {
      const { planner, executor } = models;
      const prompt = plannerPrompt(planner.tokenizer, planning.template, question);
      const made = await makePlan(planner, prompt, { ...planning.terms, states: false }, signal);
      return carriedAs("text", made, executor.tokenizer.encode(made.text), made.spent, started);
    }
    case "latent": {
      const { source, projector } = latentOf(models, planning.terms.tokens);
      const made = await source.latents(question, signal);
      const spent = { ...made.spent };
      addSpent(spent, projector.cost);
      return carriedAs("latent", made, await projector.span(made.states), spent, started);
    }
  }
}

/** @throws UserError if no projector was trained, or one for plans of another length */
function latentOf({ latent, planner, executor }: PlanModels, tokens: number): NonNullable<PlanModels["latent"]> {
  if (!latent)
    throw new UserError(
      `planning: no projector was trained for ${planner.source.name} and ${executor.source.name}, expected the channel text or none, or one made by modicum train --method projector`,
      2,
    );
  const { tokens: trained } = latent.projector.about;
  if (trained === tokens) return latent;
  throw new UserError(`planning: the projector was trained for plans of ${trained} tokens, got ${tokens}`, 2);
}

const carriedAs = (
  channel: Channel,
  { text, ids, passes }: { readonly text: string; readonly ids: readonly number[]; readonly passes: number },
  span: PromptSpan,
  spent: Spent,
  started: number,
): Carried => ({
  shown: { channel, text, tokens: ids.length, passes, ms: performance.now() - started },
  span,
  spent,
});

/** The executor's prompt with the plan in its place. */
export function promptFor(
  { tokenizer, decoder }: LanguageModel,
  question: string,
  { channel, template }: Pick<Planning, "channel" | "template">,
  span: PromptSpan,
): SpannedPrompt {
  const { before, behind } = executorPrompt(tokenizer, template, question, channel !== "none");
  return promptOfSpans([before, span, behind], decoder.config.hidden);
}
