import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import { latestState } from "../checkpoint/state.ts";
import { chooseTrained, type FrozenChoice, type Unit } from "../freeze/choice.ts";
import type { ChosenMethod } from "../methods/method.ts";
import { AUTO } from "../options.ts";
import { placedWeights } from "../step/passes.ts";
import type { Subject } from "../subject/subject.ts";
import { BatchStage } from "./batch-stage.ts";
import { openRun } from "./open-run.ts";
import type { OpenTerms } from "./stage.ts";

/**
 * Chooses what `freeze: auto` freezes, from the gradients of the first steps, and writes the choice into the run's
 * folder; a resumed run's choice is reused. Undefined without the option. @throws UserError
 */
export async function chosenFreeze(
  { options, out, openBase, resumes, onNotice }: OpenTerms,
  chosen: ChosenMethod | undefined,
): Promise<FrozenChoice | undefined> {
  const { freeze, start, freezeSteps, freezeShare } = options;
  if (freeze !== AUTO) return undefined;
  if (start !== undefined)
    throw new UserError("start: freeze auto reads the base model's gradients; omit start or freeze", 2);
  const stored = resumes ? latestState(out)?.frozen : undefined;
  if (stored) return stored;
  const { subject, data } = await openRun(options, out, openBase, resumes);
  // Recomputes layers instead of storing intermediate results, so that the choice needs no more memory than the run.
  using stage = await BatchStage.open({ ...options, recompute: true }, subject, data, { chosen });
  await stage.prepare();
  const units = unitsOf(subject, await stage.squaredGradients(freezeSteps));
  const { layers } = subject.trainee.stack;
  const { units: trained, lowest, retained } = chooseTrained(units, freezeShare);
  const { forward, backward, exits } = stage.takeCost();
  const frozen = units.filter((unit) => !trained.includes(unit));
  const choice = { names: frozen.flatMap(({ names }) => names), flops: forward + backward + exits };
  const tensors = units.map((unit) => ({ ...unit, frozen: frozen.includes(unit) }));
  await writeJson(path.join(out, "frozen.json"), { ...choice, lowest, retained, tensors });
  onNotice?.(
    `freeze: trains ${trained.length} of ${units.length} groups of tensors, in layer ${Math.max(0, lowest)} of ${layers} and above, with ${(100 * retained).toFixed(0)} % of the squared gradient norm`,
  );
  return choice;
}

/** Groups tensors into units to freeze together, with their squared gradients; a LoRA layer's factors are one unit. */
function unitsOf({ trainee }: Pick<Subject, "trainee">, squares: ReadonlyMap<string, number>): Unit[] {
  const units = new Map<string, { names: Set<string>; layer: number }>();
  for (const { layer, joined } of placedWeights(trainee)) {
    const names = Object.keys(joined.sizes).filter(trainee.trained);
    if (names.length === 0) continue;
    const key = names[0]!.replace(/\.lora_\w+$/, "");
    const unit = units.get(key) ?? { names: new Set(), layer };
    units.set(key, unit);
    for (const name of names) unit.names.add(name);
  }
  return [...units.values()].map(({ names, layer }) => ({
    names: [...names],
    layer,
    square: [...names].reduce((sum, name) => sum + squares.get(name)!, 0),
  }));
}
