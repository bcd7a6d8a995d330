import { z } from "zod";
import type { Method } from "../method.ts";

/** Trains image generators. A run need not name this method, because no other method trains them. */
export const noise: Method<object> = {
  name: "noise",
  summary: "train an image generator to predict noise",
  unscored: "the lab has no task for image generators; use the held-out loss",
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
