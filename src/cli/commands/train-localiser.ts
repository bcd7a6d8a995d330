import type { Command } from "commander";
import { defineTraining } from "../small-training.ts";

export const define = (command: Command): void =>
  defineTraining(command, {
    description: "train a network that draws the mask of the object in a box, of whatever class",
    run: async (...call) => (await import("../../library/train-regions.ts")).trainRegionLocaliser(...call),
    tell: (_, out) => `modicum train regions takes it as localiser: ${out}`,
  });
