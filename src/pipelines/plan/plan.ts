import type { LanguageModel } from "../../engine/decode/language-model.ts";
import { type PromptSpan, promptOfSpans, type SpannedPrompt } from "../../engine/decode/run/spans.ts";
import type { DiffusionModel } from "../../engine/diffusion/diffusion-model.ts";
import { diffusionOptions } from "../../engine/diffusion/options.ts";
import type { LatentSource } from "../../engine/diffusion/plan/latents.ts";
import { makePlan, type PlanResult, type PlanTerms } from "../../engine/diffusion/plan/make-plan.ts";
import type { Channel } from "../../engine/diffusion/plan/name.ts";
import type { Projector } from "../../engine/diffusion/plan/projector.ts";
import type { ProjectorFile } from "../../engine/diffusion/plan/projector-file.ts";
import { executorPrompt, plannerPrompt, type Template } from "../../engine/diffusion/plan/template.ts";
import { addSpent, type Spent } from "../../graph/index.ts";
import { UserError } from "../../util/errors.ts";
import { checkPlanning, type PlanningInput } from "./options.ts";

/** A planner, an executor, and a projector between them, if one was trained. */
export interface PlanModels {
  readonly planner: DiffusionModel;
  readonly executor: LanguageModel;
  readonly latent?: { readonly source: LatentSource; readonly projector: Projector } | undefined;
}

/** The source of latent vectors, and the plan length that it supports. */
export interface Latent {
  readonly source: LatentSource;
  readonly tokens: number;
}

/** The settings for one planned answer. */
export interface Planning {
  readonly channel: Channel;
  readonly template: Template;
  readonly terms: Omit<PlanTerms, "states">;
}

/** An answer's plan as a reader sees it, even if it was passed as vectors. */
export interface ShownPlan {
  readonly channel: Channel;
  readonly text: string;
  /** The number of planned tokens; 0 without a plan. */
  readonly tokens: number;
  /** The number of the planner's forward passes. */
  readonly passes: number;
  /** Milliseconds spent on planning. */
  readonly ms: number;
}

/** A finished plan, and its cost. */
export interface PlanWithCost {
  readonly shown: ShownPlan;
  /** The planner's states, for the latent channel: [tokens, width]. */
  readonly states?: Float32Array;
  readonly spent: Spent;
}

/** A plan for the executor's prompt. */
export interface PromptPlan extends Pick<PlanWithCost, "shown" | "spent"> {
  /** The tokens or embedding rows that replace the plan's placeholder; empty without a plan. */
  readonly span: PromptSpan;
}

/**
 * Makes a plan (Berrayana et al. 2025, arXiv 2510.15244, and its revision 2603.09184).
 * @throws UserError if it cannot be made, or no projector was trained for its length
 */
export async function plan(
  { planner, latent }: Pick<PlanModels, "planner"> & { readonly latent?: Latent | undefined },
  question: string,
  { channel, template, terms }: Planning,
  signal?: AbortSignal,
): Promise<PlanWithCost> {
  const started = performance.now();
  switch (channel) {
    case "none":
      return planWithCost(channel, { text: "", ids: [], passes: 0, spent: { flops: 0, bytes: 0 } }, started);
    case "text": {
      const prompt = plannerPrompt(planner.tokenizer, template, question);
      return planWithCost(channel, await makePlan(planner, prompt, { ...terms, states: false }, signal), started);
    }
    case "latent": {
      const { source } = latentOf(planner, latent, terms.tokens);
      return planWithCost(channel, await source.latents(question, terms, signal), started);
    }
  }
}

const planWithCost = (
  channel: Channel,
  { text, ids, passes, spent, states }: Omit<PlanResult, "states"> & { readonly states?: Float32Array },
  started: number,
): PlanWithCost => ({
  shown: { channel, text, tokens: ids.length, passes, ms: performance.now() - started },
  spent: { ...spent },
  ...(states && { states }),
});

/** @throws UserError if no projector was trained for plans of this length */
function latentOf({ source: { name } }: DiffusionModel, latent: Latent | undefined, tokens: number): Latent {
  if (!latent)
    throw new UserError(
      `planning: no projector was trained for ${name} and its executor; use channel=text or channel=none, or train one with \`modicum train --method projector\``,
      2,
    );
  if (latent.tokens === tokens) return latent;
  throw new UserError(`planning: the projector was trained for plans of ${latent.tokens} tokens, got ${tokens}`, 2);
}

/** Turns a finished plan into input for the executor: tokens of its text, or projected rows. */
export async function carried(
  { shown, states, spent }: PlanWithCost,
  executor: Pick<LanguageModel, "tokenizer">,
  projector: Projector | undefined,
): Promise<PromptPlan> {
  if (!states || !projector) return { shown, spent, span: executor.tokenizer.encode(shown.text) };
  const all = { ...spent };
  addSpent(all, projector.cost);
  return { shown, spent: all, span: await projector.span(states) };
}

/** @throws UserError for a plan without content */
export function checkPlanText({ tokens, text }: ShownPlan, planner: string): void {
  if (tokens > 0 && text === "")
    throw new UserError(`${planner}: the plan consists only of end tokens; try the option ends=last or ends=never`);
}

/** The executor's prompt, with the plan inserted. */
export function promptFor(
  { tokenizer, decoder }: LanguageModel,
  question: string,
  { channel, template }: Pick<Planning, "channel" | "template">,
  span: PromptSpan,
): SpannedPrompt {
  const { before, behind } = executorPrompt(tokenizer, template, question, channel !== "none");
  return promptOfSpans([before, span, behind], decoder.config.hidden);
}

/** The default number of plan tokens without a projector (arXiv 2510.15244). */
const PLAN = 64;

/** True for a model that has a chat template. */
interface Chats {
  readonly planner: boolean;
  readonly executor: boolean;
}

type Reader = Pick<LanguageModel, "tokenizer">;
const hasTemplate = ({ tokenizer }: Reader): boolean => tokenizer.chatTemplate !== undefined;
export const chatsOf = ({ planner, executor }: Readonly<Record<keyof Chats, Reader>>): Chats => ({
  planner: hasTemplate(planner),
  executor: hasTemplate(executor),
});

/** The prompt wording without a projector; a projector file names its own wording. */
function templateFor({ planner, executor }: Chats): Template {
  if (!executor) return "bare-1";
  return planner ? "chat-1" : "half-1";
}

/** A request's options; where unset, the projector's training options, then the defaults. @throws UserError */
export function planningFor(
  input: PlanningInput,
  projector: ProjectorFile | undefined,
  chats: Chats,
  seed?: number,
): Planning {
  const { channel = projector ? "latent" : "text", maxPlanTokens, temperature = 0, ...own } = checkPlanning(input);
  const tokens = maxPlanTokens ?? projector?.tokens ?? PLAN;
  const diffusion = diffusionOptions.parse({ ...projector?.diffusion, ...own });
  return {
    channel,
    template: projector?.template ?? templateFor(chats),
    terms: { tokens, diffusion, temperature, ...(seed !== undefined && { seed }) },
  };
}
