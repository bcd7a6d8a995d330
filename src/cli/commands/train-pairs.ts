import type { Command } from "commander";
import { trainImageText } from "../../index.ts";
import { defineTraining } from "../small-training.ts";

export const define = (command: Command): void =>
  defineTraining(command, {
    description: "train a CLIP or a SigLIP from random weights on pictures with captions",
    run: trainImageText,
    tell: (_, out) => `modicum classify --model ${out} --image FILE --labels a,b runs it`,
  });
