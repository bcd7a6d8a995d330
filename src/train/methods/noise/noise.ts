import { z } from "zod";
import type { Method } from "../method.ts";

/** Trains image generators, even if the run does not name it: no other method does. */
export const noise: Method<object> = {
  name: "noise",
  summary: "train an image generator to predict noise",
  unscored: "the lab has no task that scores image generators; use the held-out loss",
  options: z.strictObject({}),
  async owns(run, base) {
    const { generatorOf } = await import("./open-drawing.ts");
    return generatorOf(run, base) !== undefined;
  },
  async *stages(_, run) {
    const { drawingStages } = await import("./open-drawing.ts");
    yield* drawingStages(run);
  },
};
