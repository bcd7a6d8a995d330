import type { Command } from "commander";
import { defineTraining } from "../small-training.ts";

export const define = (command: Command): void =>
  defineTraining(command, {
    description: "train a CLIP or a SigLIP from random weights on pictures with captions",
    run: async (...call) => (await import("../../library/train-regions.ts")).trainImageText(...call),
    tell: (_, out) => `modicum classify --model ${out} --image FILE --labels a,b runs it`,
  });
