import type { Command } from "commander";
import { UserError } from "../../util/errors.ts";
import { defineTraining } from "../small-training.ts";

export const define = (command: Command): void =>
  defineTraining(command, {
    description: "train the bridge between a localiser and a model of images and texts, both of which stay as they are",
    async run({ model, ...options }, call) {
      if (typeof model !== "string") throw new UserError("model: expected a model of images and texts", 2);
      const { trainRegionBridge } = await import("../../library/train-regions.ts");
      return trainRegionBridge({ ...options, model }, call);
    },
    tell: (_, out) => `modicum recognize IMAGE --labels a,b --regions ${out} runs it`,
  });
