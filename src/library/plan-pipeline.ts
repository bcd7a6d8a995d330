import { planNameOf } from "../engine/diffusion/plan/name.ts";
import type { PlanningInput } from "../pipelines/plan/options.ts";
import { plan as pipeline } from "../pipelines/plan/pipeline.ts";
import { chatsOf, type PlanModels, type Planning, planningFor, type ShownPlan } from "../pipelines/plan/plan.ts";
import { executorOf, type OpenProjector, opened, plannerOf } from "../pipelines/plan/trained.ts";
import type { Resources } from "../pipelines/resources.ts";
import * as args from "./arguments.ts";
import { checkArgument } from "./arguments.ts";
import type { Model } from "./model.ts";
import type { Chunk, Completion, LoadOptions, RunOptions } from "./options.ts";
import { type OpenedPipeline, openNamed } from "./text-pipeline.ts";
import { wholeOf } from "./whole-answer.ts";

export interface PlannerOptions extends Omit<LoadOptions, "save" | "adapter" | "adapters"> {
  /** Folder of a trained projector that replaces the one found for the two models. */
  projector?: string | undefined;
}

/** The options of an answer, and `planning`; the default of `maxTokens` is 8. */
export interface PlannedOptions extends Omit<RunOptions, "save" | "adapter"> {
  planning?: PlanningInput | undefined;
}

/** A piece of a planned answer; the first and the last have the plan. */
export type PlannedChunk = Chunk & { plan?: ShownPlan };
export type PlannedCompletion = Completion & { plan: ShownPlan };

/**
 * Opens a planner with an executor by the name `PLANNER+EXECUTOR`: a diffusion language model plans, a decoder answers.
 * The projector for the two is found by their hashes.
 * @throws UserError
 */
export async function openPlanner(name: string, { projector, ...loading }: PlannerOptions = {}): Promise<PlanPipeline> {
  const roles = { ...planNameOf(checkArgument("openPlanner's name", args.modelName, name)) };
  const prepare = (resources: Resources) => opened(resources, projector);
  return new PlanPipeline(await openNamed({ pipeline, roles, optionText: "", name }, loading, {}, prepare));
}

/** A planner and an executor. Dispose of it to free both. */
export class PlanPipeline implements Disposable {
  readonly kind = "plan";
  readonly name: string;
  readonly models: { readonly planner: Model; readonly executor: Model };
  /** The two loaded models, with the projector between them. */
  readonly opened: PlanModels;

  constructor(private readonly pipeline: OpenedPipeline) {
    const { latent } = pipeline.prepared as OpenProjector;
    this.name = pipeline.name;
    this.models = pipeline.models as PlanPipeline["models"];
    this.opened = { planner: plannerOf(this.models.planner), executor: executorOf(this.models.executor), latent };
  }

  /** Streams an answer; the plan comes with its first piece. @throws UserError as the models do */
  async *generate(question: string, options: PlannedOptions = {}): AsyncGenerator<PlannedChunk, void> {
    const { planning, ...rest } = options;
    const settings = { planning, projector: (this.pipeline.prepared as OpenProjector).projector };
    let plan: ShownPlan | undefined;
    const text = checkArgument("generate's question", args.text, question);
    for await (const { shown, ...chunk } of this.pipeline.generate(text, rest, settings)) {
      if (shown) plan = shown as ShownPlan;
      // The plan's own piece is held back and joined to the answer's first piece.
      if (shown && !chunk.receipt) continue;
      yield { ...chunk, ...(plan && { plan }) };
      plan = undefined;
    }
  }

  /** The whole answer at once, with its plan. */
  async answer(question: string, options: PlannedOptions = {}): Promise<PlannedCompletion> {
    return wholeOf(this.generate(question, options), "plan");
  }

  /** Completes the options with the projector's training options and the defaults. @throws UserError */
  planning(input: PlanningInput, seed?: number): Planning {
    return planningFor(input, this.opened.latent?.projector.metadata, chatsOf(this.opened), seed);
  }

  dispose(): void {
    this.pipeline.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
