import type { z } from "zod";
import { checkedNamed } from "../../../util/named-options.ts";
import type { Method } from "../method.ts";
import { pairOptions, pairPresets } from "./options.ts";

/** Options that a run without this method has not. */
const own = pairOptions.pick({ temperature: true, shuffled: true });

/** A CLIP or a SigLIP from random weights, on pictures with captions. */
export const pairs: Method<z.output<typeof own>> = {
  name: "pairs",
  summary: "train a CLIP or a SigLIP from random weights on pictures with captions",
  options: own,
  presets: () => pairPresets,
  reads: ["architecture", "start", "batch", "seed", "optimizer", "schedule", "clip", "spikes"],
  async *stages(options, run) {
    const { data, architecture, start, steps, batch, seed, optimizer, schedule } = run.options;
    const all = { ...options, data, architecture, start, steps, batch, seed, optimizer, schedule };
    const { pairStages } = await import("./stage.ts");
    yield* pairStages(checkedNamed("pairs", pairOptions, all), run);
  },
  next: (out) => `modicum classify --model ${out} --image FILE --labels a,b runs it`,
};
