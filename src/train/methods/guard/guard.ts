import path from "node:path";
import type { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import type { Method } from "../method.ts";
import { type GuardOptions, guardOptions } from "./options.ts";

/** What a guard has of its own; the rest is in the options of every run. */
const options = guardOptions.omit({ model: true, innocent: true, batch: true, seed: true, steps: true });
type OwnOptions = z.output<typeof options>;

/** The mask's file within a run's folder. */
export const maskFile = (out: string): string => path.join(out, "mask.json");

/** FreezeAsGuard (Huang et al. 2024): which tensors of an image generator its users' fine-tuning leaves as they are. */
export const guard: Method<OwnOptions> = {
  name: "guard",
  summary: "learn which tensors of an image generator to freeze, so that users cannot teach it some images",
  options,
  presets: () => ({ batch: usual("batch"), steps: usual("steps") }),
  reads: ["model", "batch", "seed"],
  async *stages(own, run) {
    const { model, data: innocent, batch, seed, steps } = run.options;
    if (model === undefined) throw new UserError("model: expected the image generator that is to be published", 2);
    const whole: GuardOptions = guardOptions.parse({ ...own, model, innocent, batch, seed, steps });
    const { guardStages } = await import("./learn.ts");
    const { writeMask } = await import("../../freeze/mask-file.ts");
    const { checkpoint } = await run.openBase(model);
    await writeMask(maskFile(run.out), yield* guardStages(whole, checkpoint));
  },
  next: (out) => `modicum train --model MODEL --freeze-mask ${maskFile(out)} --data FILE --out FOLDER trains under it`,
};

const usual = <K extends "batch" | "steps">(name: K): number => guardOptions.shape[name].parse(undefined);
