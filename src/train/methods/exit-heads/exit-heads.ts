import { z } from "zod";
import type { Method } from "../method.ts";
import { exitTrainOptions, trainedSavings } from "./options.ts";

/** This method's options; all other options are common to all runs. */
const options = exitTrainOptions.omit({ seed: true }).extend({
  saving: z.enum(trainedSavings).describe("the saving that uses the exits: dynamax or sec"),
});
export type ExitHeadsOptions = z.output<typeof options>;

/** Trains heads after inner layers of a frozen model, and deciders that choose which tokens exit there. */
export const exitHeads: Method<ExitHeadsOptions> = {
  name: "exit-heads",
  summary: "train exits for the savings dynamax and sec",
  options,
  reads: ["model", "quant", "seed", "tasks", "taskLimit", "best"],
  async *stages(own, run) {
    const { stagesOfFiles } = await import("./from-files.ts");
    yield* stagesOfFiles(own, run);
  },
  async steps(own, run) {
    const { stepsOfFiles } = await import("./from-files.ts");
    return stepsOfFiles(own, run);
  },
  async estimate(own, run) {
    const { estimateOfFiles } = await import("./from-files.ts");
    return estimateOfFiles(own, run);
  },
  next: (out, { saving }) => `modicum run --save ${saving}:file=${out} "…" runs it`,
};
