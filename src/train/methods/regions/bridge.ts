import type { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { checkedNamed } from "../../../util/named-options.ts";
import type { Method } from "../method.ts";
import { bridgeOptions, bridgePresets } from "./options.ts";
import { oneFile } from "./scenes.ts";

/** Options that a run without this method has not. */
const own = bridgeOptions.omit({
  ...{ data: true, steps: true, batch: true, seed: true, optimizer: true, schedule: true },
});

/** What names regions: a bridge between a localiser and a model of images and texts, both of which stay as they are. */
export const bridge: Method<z.output<typeof own>> = {
  name: "bridge",
  summary: "train the bridge between a localiser and a model of images and texts, both of which stay as they are",
  options: own,
  presets: () => bridgePresets,
  reads: ["model", "batch", "seed", "optimizer", "schedule", "clip", "spikes"],
  async *stages(options, run) {
    const { model, data, steps, batch, seed, optimizer, schedule } = run.options;
    if (model === undefined) throw new UserError("model: expected a model of images and texts", 2);
    const all = { ...options, data: oneFile(data), steps, batch, seed, optimizer, schedule };
    const { bridgeStages } = await import("./bridge-stage.ts");
    yield* bridgeStages(model, checkedNamed("bridge", bridgeOptions, all), run);
  },
  next: (out) => `modicum recognize IMAGE --labels a,b --regions ${out} runs it`,
};
