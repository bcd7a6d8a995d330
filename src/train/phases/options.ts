import { z } from "zod";
import { checked } from "../../util/checked.ts";
import { UserError } from "../../util/errors.ts";
import { completeOptions } from "../methods/complete.ts";
import type { TrainInput, TrainOptions } from "../options.ts";

const PHASES = "expected a list of phases";

/** Options of a phase besides the options of a run. */
const phaseOptions = z.looseObject({
  select: z
    .enum(["best", "last"])
    .default("best")
    .describe(
      "the weights that the next phase starts from: the best evaluation's or the last; without held-out data, the last",
    ),
  replay: z.number().min(0).max(1).default(0).describe("share of the earlier phases' samples to repeat"),
});

const file = z.looseObject(
  { phases: z.array(phaseOptions, PHASES).min(2, PHASES) },
  "expected an object with the phases' options",
);

/** The options that all phases share, and each phase's own options. */
export type PhasesInput = Partial<TrainInput> & {
  readonly phases: readonly (Partial<TrainInput> & Partial<Pick<Phase, "replay">> & { select?: "best" | "last" })[];
};

export interface Phase {
  readonly options: TrainOptions;
  readonly replay: number;
}

/** Options that determine the model's parameters and must be the same in all phases. */
const shared = ["model", "architecture", "tokenizer", "lora", "train", "start"] as const;

/** Reads all phases of a file. @throws UserError for the first invalid option */
export function phasesOf(input: unknown): Phase[] {
  const { phases, ...common } = checked(file, input);
  return phases.map(({ select, replay, ...own }, i) => {
    const other = shared.find((field) => own[field] !== undefined);
    if (other) throw new UserError(`phase ${i + 1}: all phases need the same ${other}; set it once, outside phases`);
    return { options: phaseIn(i, { ...common, ...own }, select), replay };
  });
}

function phaseIn(i: number, input: object, select: "best" | "last"): TrainOptions {
  try {
    const options = completeOptions(input);
    return { ...options, keepBest: select === "best" && (options.validation !== 0 || options.best !== "loss") };
  } catch (error) {
    throw error instanceof UserError ? new UserError(`phase ${i + 1}: ${error.message}`) : error;
  }
}
