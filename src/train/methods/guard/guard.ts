import path from "node:path";
import type { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import type { OpenTerms } from "../../session/stage.ts";
import type { Method } from "../method.ts";
import { type GuardOptions, guardOptions } from "./options.ts";

/** This method's options; all other options are common to all runs. */
const options = guardOptions.omit({ model: true, innocent: true, batch: true, seed: true, steps: true });
type OwnOptions = z.output<typeof options>;

/** The mask's file in a run's folder. */
export const maskFile = (out: string): string => path.join(out, "mask.json");

/** FreezeAsGuard (Huang et al. 2024): finds an image generator's tensors that users' fine-tuning must not change. */
export const guard: Method<OwnOptions> = {
  name: "guard",
  summary: "find the tensors to freeze in an image generator",
  options,
  presets: () => ({ batch: usual("batch"), steps: usual("steps") }),
  unscored: "the lab has no task for image generators; judge a mask by both stages' losses",
  reads: ["model", "batch", "seed"],
  async *stages(own, run) {
    const { writeMask } = await import("../../freeze/mask-file.ts");
    await writeMask(maskFile(run.out), yield* await openStages(own, run));
  },
  async steps(own, run) {
    for await (const relearning of await openStages(own, run)) return relearning.steps + wholeOf(own, run).steps;
    throw new Error("a guard needs a relearning stage");
  },
  next: (out) => `modicum train --model MODEL --freeze-mask ${maskFile(out)} --data FILE --out FOLDER trains with it`,
};

/** @throws UserError */
async function openStages(own: OwnOptions, run: OpenTerms) {
  const whole = wholeOf(own, run);
  const { guardStages } = await import("./learn.ts");
  const { checkpoint } = await run.openBase(whole.model);
  return guardStages(whole, checkpoint);
}

/** @throws UserError */
function wholeOf(own: OwnOptions, { options: { model, data: innocent, batch, seed, steps } }: OpenTerms): GuardOptions {
  if (model === undefined) throw new UserError("model: expected the image generator to publish", 2);
  return guardOptions.parse({ ...own, model, innocent, batch, seed, steps });
}

const usual = <K extends "batch" | "steps">(name: K): number => guardOptions.shape[name].parse(undefined);
