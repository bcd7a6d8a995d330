import type { z } from "zod";
import { checkedNamed } from "../../../util/named-options.ts";
import type { Method } from "../method.ts";
import { localiserOptions, localiserPresets } from "./options.ts";
import { oneFile } from "./scenes.ts";

/** Options that a run without this method has not. */
const own = localiserOptions.pick({ heldOut: true, sizes: true, regions: true });

/** A network that draws the mask of the object in a box. */
export const localiser: Method<z.output<typeof own>> = {
  name: "localiser",
  summary: "train a network that draws the mask of the object in a box, of whatever class",
  options: own,
  presets: () => localiserPresets,
  reads: ["start", "batch", "seed", "optimizer", "schedule", "clip", "spikes"],
  async *stages(options, run) {
    const { data, start, steps, batch, seed, optimizer, schedule } = run.options;
    const all = { ...options, data: oneFile(data), start, steps, batch, seed, optimizer, schedule };
    const { localiserStages } = await import("./localiser-stage.ts");
    yield* localiserStages(checkedNamed("localiser", localiserOptions, all), run);
  },
  next: (out) => `modicum train regions takes it as localiser: ${out}`,
};
