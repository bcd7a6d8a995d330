import { z } from "zod";
import type { Method } from "../method.ts";
import { exitTrainOptions, trainedSavings } from "./options.ts";

/** What exits have of their own; the rest is in the options of every run. */
const options = exitTrainOptions.omit({ seed: true }).extend({
  saving: z.enum(trainedSavings).describe("the saving that uses the exits: dynamax or sec"),
});
export type ExitHeadsOptions = z.output<typeof options>;

/** Heads after inner layers of a model that stays as it is, and what decides which tokens leave there. */
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
