import { generateOptions } from "../engine/answer/generate.ts";
import { diffusionOptions } from "../engine/diffusion/options.ts";
import { openSource } from "../engine/plan/latents.ts";
import { planNameOf } from "../engine/plan/name.ts";
import { Projector } from "../engine/plan/projector.ts";
import { checkProjector, projectorFor, readProjector } from "../engine/plan/projector-file.ts";
import { makeReceipt, type Receipt } from "../ledger/receipt.ts";
import { checkPlanning, type PlanningInput } from "../pipelines/plan/options.ts";
import {
  type PlanModels,
  type PlannedPiece,
  type Planning,
  planAndAnswer,
  type ShownPlan,
} from "../pipelines/plan/plan.ts";
import { UserError } from "../util/errors.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { modelHash, preparedFolder } from "../weights/sources/index.ts";
import * as args from "./arguments.ts";
import { given } from "./arguments.ts";
import { priceOfLengths } from "./dense-price.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import type { Chunk, Completion, LoadOptions, RunOptions } from "./options.ts";

export interface PlannerOptions extends Omit<LoadOptions, "save" | "adapter" | "adapters"> {
  /** Folder of a trained projector, in place of the one found for the two models. */
  projector?: string | undefined;
}

/** The options of a planned answer: those of an answer, of at most 8 tokens by default, and `planning`. */
export interface PlannedOptions extends Omit<RunOptions, "save" | "adapter"> {
  planning?: PlanningInput | undefined;
}

/** A piece of a planned answer; the first and the last have the plan. */
export type PlannedChunk = Chunk & { plan?: ShownPlan };
export type PlannedCompletion = Completion & { plan: ShownPlan };

/** Tokens of an answer, unless a caller says otherwise: plans do the thinking. */
const ANSWER = 8;
/** Tokens of a plan without a projector (arXiv 2510.15244). */
const PLAN = 64;

/**
 * Opens a planner with an executor by the name `PLANNER+EXECUTOR`: a diffusion language model plans, a decoder answers.
 * The projector that was trained for the two is found by their hashes.
 * @throws UserError
 */
export async function openPlanner(name: string, { projector, ...loading }: PlannerOptions = {}): Promise<PlanPipeline> {
  const names = planNameOf(given("openPlanner's name", args.modelName, name));
  const loaded: Model[] = [];
  try {
    for (const each of [names.planner, names.executor]) loaded.push(await load(each, loading));
    const [planner, executor] = loaded as [Model, Model];
    return new PlanPipeline(name, { planner, executor }, await modelsOf(planner, executor, projector));
  } catch (error) {
    for (const model of loaded) model.dispose();
    throw error;
  }
}

/** @throws UserError if a model is of another kind, or the projector is for others */
async function modelsOf(planner: Model, executor: Model, folder: string | undefined): Promise<PlanModels> {
  const [plans, answers] = [planner.loaded, executor.loaded];
  if (plans.kind !== "diffusion language model")
    throw new UserError(`${planner.name} fills in no masked tokens, expected a planner such as planner-tiny`, 2);
  if (answers.kind !== "decoder")
    throw new UserError(
      `${executor.name} takes no embeddings in place of tokens, expected a decoder as the executor`,
      2,
    );
  const own = { planner: await modelHash(plans.source), executor: await modelHash(answers.source) };
  const found = folder ?? projectorFor(own);
  const models = { planner: plans, executor: answers };
  if (found === undefined) return models;
  const about = readProjector(found);
  checkProjector(found, about, own);
  const source = await openSource(about.source, {
    planner: plans,
    plannerCheckpoint: openCheckpoint(plans.source.path),
    executor: {
      checkpoint: openCheckpoint(answers.source.path),
      tokenizer: answers.tokenizer,
      prepared: preparedFolder(answers.source.path),
    },
    template: about.template,
    terms: { tokens: about.tokens, diffusion: about.diffusion, temperature: 0 },
  });
  return { ...models, latent: { source, projector: await Projector.open(found) } };
}

/** A planner and an executor. Dispose of it to free both. */
export class PlanPipeline implements Disposable {
  readonly kind = "plan";

  constructor(
    readonly name: string,
    readonly models: { readonly planner: Model; readonly executor: Model },
    /** The two as they run, with the projector between them. */
    readonly opened: PlanModels,
  ) {}

  /** Streams an answer; the plan comes with its first piece. @throws UserError as the models do */
  async *generate(question: string, options: PlannedOptions = {}): AsyncGenerator<PlannedChunk, void> {
    const { planning = {}, signal, ...rest } = options;
    const asked = this.planning(planning);
    const text = given("generate's question", args.text, question);
    if (text.trim() === "") throw new UserError("the question is empty, expected a text", 2);
    const answer = generateOptions.parse({ maxTokens: ANSWER, ...ofGeneration(rest) });
    const started = performance.now();
    for await (const { finish, planned, ...piece } of planAndAnswer(this.opened, text, asked, answer, signal)) {
      const receipt = finish && this.#receipt(finish.usage, piece.plan!, planned!, started);
      yield { ...piece, ...(finish && { finishReason: finish.reason, receipt }) };
    }
  }

  /** The whole answer at once, with its plan. */
  async answer(question: string, options: PlannedOptions = {}): Promise<PlannedCompletion> {
    const whole: Pick<Completion, "text" | "tokens"> = { text: "", tokens: [] };
    for await (const { text, tokens, finishReason, receipt, plan } of this.generate(question, options)) {
      whole.text += text;
      whole.tokens.push(...tokens);
      if (finishReason && receipt && plan) return { ...whole, finishReason, receipt, plan };
    }
    throw new Error("an answer ended without its receipt");
  }

  /** Options with what the projector was trained with, and the usual ones. @throws UserError */
  planning(given: PlanningInput): Planning {
    const about = this.opened.latent?.projector.about;
    const { channel = about ? "latent" : "text", maxPlanTokens, ...own } = checkPlanning(given);
    return {
      channel,
      template: about?.template ?? (this.opened.executor.tokenizer.chatTemplate === undefined ? "bare-1" : "chat-1"),
      terms: {
        tokens: maxPlanTokens ?? about?.tokens ?? PLAN,
        diffusion: diffusionOptions.parse({ ...about?.diffusion, ...own }),
        temperature: 0,
      },
    };
  }

  /** Dense is the executor alone, without a plan, with an answer of the same length. */
  #receipt(
    usage: NonNullable<PlannedPiece["finish"]>["usage"],
    plan: ShownPlan,
    planned: { readonly flops: number; readonly bytes: number },
    started: number,
  ): Receipt {
    const { planner, executor } = this.models;
    const { prompt, cached, completion } = usage.tokens;
    const alone = priceOfLengths(this.opened.executor, {
      prompt: Math.max(1, prompt - plan.tokens),
      cached,
      completion,
    });
    return makeReceipt({
      ...{ model: this.name, recipe: [`plan:channel=${plan.channel}`], tokens: usage.tokens },
      flops: { dense: alone.flops, spent: usage.flops.spent + planned.flops, overhead: planned.flops },
      bytes: { dense: alone.bytes, spent: usage.bytes.spent + planned.bytes },
      work: {
        tokens: { dense: completion, run: completion + plan.tokens },
        passes: { dense: completion, run: completion + plan.passes },
        calls: {
          [planner.name]: { dense: 0, run: Number(plan.channel !== "none") },
          [executor.name]: { dense: 1, run: 1 },
        },
      },
      ms: { load: 0, prefill: plan.ms + usage.ms.prefill, decode: usage.ms.decode, total: performance.now() - started },
      estimated: false,
    });
  }

  dispose(): void {
    this.opened.latent?.source[Symbol.dispose]();
    this.opened.latent?.projector[Symbol.dispose]();
    this.models.planner.dispose();
    this.models.executor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The options of generation among a request's. @throws UserError for options that a planned answer does not have */
function ofGeneration(options: Omit<PlannedOptions, "planning" | "signal">): object {
  const known = Object.keys(generateOptions.shape);
  const entries = Object.entries(options).filter(([key, value]) => value !== undefined && key !== "onStopped");
  const passed = ["raw", "modelSampling"];
  const other = entries.find(([key]) => !known.includes(key) && !passed.includes(key));
  if (other) throw new UserError(`${other[0]} belongs to one model, and a planned answer has two`, 2);
  return Object.fromEntries(entries.filter(([key]) => known.includes(key)));
}
