import type { Command } from "commander";
import { trainRegionLocaliser } from "../../index.ts";
import { defineTraining } from "../small-training.ts";

export const define = (command: Command): void =>
  defineTraining(command, {
    description: "train a network that draws the mask of the object in a box, of whatever class",
    run: trainRegionLocaliser,
    tell: (_, out) => `modicum train regions takes it as localiser: ${out}`,
  });
