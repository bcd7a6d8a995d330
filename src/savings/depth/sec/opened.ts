import { UserError } from "../../../util/errors.ts";
import type { Decision, PlanPart, StateFill, StepCut } from "../../plan.ts";
import type { SavingHost } from "../../seams.ts";
import { exitsFrom, fillFor, requireExits } from "../checks.ts";
import type { Exits } from "../exits/artefact.ts";
import { actionOf } from "../exits/decide.ts";
import { deciderProbe, exitHead } from "../exits/exit-heads.ts";
import { findExits } from "../exits/opened.ts";
import type { SecOptions } from "./sec.ts";

/** The controller of one model, and the exits in use. */
interface SecParts {
  readonly exits: Exits;
  readonly controller: Exits["metadata"]["deciders"][number];
  readonly layers: readonly number[];
  readonly fill: StateFill;
}

/** @throws UserError if the model has no controller, or its layers do not support the fill */
export async function open({ file: folder, from, fill: option }: SecOptions, host: SavingHost): Promise<SecParts> {
  requireExits("sec", host.decoder);
  const exits = await findExits("sec", host, folder);
  if (!exits)
    throw new UserError("sec: there is no controller for this model; `modicum savings train sec` makes one", 2);
  const controller = exits.metadata.deciders.find(({ kind }) => kind === "controller");
  if (!controller) throw new UserError(`sec: ${exits.folder} has no controller`, 2);
  const layers = exitsFrom("sec", exits.metadata.layers, from);
  const fill = fillFor("sec", option, layers[0]!, host.decoder);
  return { exits, controller, layers, fill };
}

export function partOf(thresholds: SecOptions, { exits, controller, layers, fill }: SecParts): PlanPart {
  const decisions: Readonly<Record<"stop" | "exit" | "continue", Decision>> = {
    stop: { kind: "stop" },
    exit: { kind: "exit", fill },
    continue: { kind: "continue" },
  };
  const cuts = layers.map((layer): StepCut => {
    const head = exitHead(exits, layer);
    const temperature = controller.temperatures[exits.metadata.layers.indexOf(layer)]!;
    return {
      ...{ after: layer, scope: "step", fill, probe: deciderProbe(exits, controller, layer), ...(head && { head }) },
      decide: ({ probed }) => decisions[actionOf(probed, thresholds, temperature)],
    };
  });
  return { cuts, state: { prompt: "", answer: undefined } };
}
