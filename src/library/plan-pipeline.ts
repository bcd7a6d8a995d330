import { openSource } from "../engine/diffusion/plan/latents.ts";
import { planNameOf } from "../engine/diffusion/plan/name.ts";
import { Projector } from "../engine/diffusion/plan/projector.ts";
import { checkProjector, projectorFor, readProjector } from "../engine/diffusion/plan/projector-file.ts";
import type { Spent } from "../graph/index.ts";
import type { Receipt } from "../ledger/receipt.ts";
import { WallTime } from "../ledger/wall-time.ts";
import { plannedReceipt } from "../pipelines/plan/bill.ts";
import { ANSWER_TOKENS, type PlanningInput } from "../pipelines/plan/options.ts";
import {
  carry,
  checkSaid,
  type PlanModels,
  type Planning,
  planningFor,
  promptFor,
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
import { wholeOf } from "./whole-answer.ts";

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
    const { planning = {}, arrived, ...rest } = options;
    const asked = this.planning(planning, rest.seed);
    const text = given("generate's question", args.text, question);
    if (text.trim() === "") throw new UserError("the question is empty, expected a text", 2);
    const { executor, planner } = this.opened;
    const time = new WallTime(arrived);
    const { span, shown, spent } = await carry(this.opened, text, asked, options.signal);
    checkSaid(shown, planner.source.name);
    const ofBoth = (own: Receipt): Receipt => this.#receipt(own, shown, spent, time);
    const { onStopped } = rest;
    const told = onStopped && { onStopped: (own: Receipt) => onStopped(ofBoth(own)) };
    const answer = { maxTokens: ANSWER_TOKENS, ...ofGeneration(rest), ...told };
    const pieces = this.models.executor.generateSpanned(promptFor(executor, text, asked, span), answer);
    let first = true;
    for await (const { receipt, ...piece } of pieces) {
      const told = first || receipt ? { plan: shown } : {};
      first = false;
      yield { ...piece, ...told, ...(receipt && { receipt: ofBoth(receipt) }) };
    }
  }

  /** The whole answer at once, with its plan. */
  async answer(question: string, options: PlannedOptions = {}): Promise<PlannedCompletion> {
    return wholeOf(this.generate(question, options), "plan");
  }

  /** Options with what the projector was trained with, and the usual ones. @throws UserError */
  planning(given: PlanningInput, seed?: number): Planning {
    const { planner, executor, latent } = this.opened;
    const chats = {
      planner: planner.tokenizer.chatTemplate !== undefined,
      executor: executor.tokenizer.chatTemplate !== undefined,
    };
    return planningFor(given, latent?.projector.about, chats, seed);
  }

  #receipt(own: Receipt, plan: ShownPlan, spent: Spent, time: WallTime): Receipt {
    const { planner, executor } = this.models;
    const named = { name: this.name, planner: planner.name, executor: executor.name };
    const { prompt, cached, completion } = own.tokens;
    const lengths = { prompt: Math.max(1, prompt - plan.tokens), cached, completion };
    return plannedReceipt({ named, own, plan, spent, time, alone: priceOfLengths(this.opened.executor, lengths) });
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

/** Options that only one model understands. */
const OTHERS = [
  "suffix",
  "infill",
  "mode",
  "promptLogprobs",
  "tools",
  "toolChoice",
  "format",
  "images",
  "diffusion",
] as const;

/** The options of the executor among a request's. @throws UserError for options that a planned answer does not have */
function ofGeneration(options: Omit<PlannedOptions, "planning">): RunOptions {
  const other = OTHERS.find((key) => options[key] !== undefined);
  if (other) throw new UserError(`${other} belongs to one model, and a planned answer has two`, 2);
  return options;
}
