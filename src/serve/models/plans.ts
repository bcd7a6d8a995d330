import { type PlanName, parsePlanName } from "../../engine/diffusion/plan/name.ts";
import { pipelineNamed } from "../../pipelines/registry.ts";

/** A planner with an executor that a server was started with. */
export interface NamedPlan extends PlanName {
  readonly name: string;
}

/** Reads the planners with executors among a server's models. `idOf` gives a model's name in requests. */
export const plansIn = (specs: readonly string[], idOf: (model: string) => string): NamedPlan[] =>
  specs
    .filter((spec) => pipelineNamed(spec)?.name === "plan")
    .map((spec) => {
      const parsed = parsePlanName(spec)!;
      const [planner, executor] = [idOf(parsed.planner), idOf(parsed.executor)];
      return { planner, executor, name: `${planner}+${executor}` };
    });
