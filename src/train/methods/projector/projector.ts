import type { z } from "zod";
import { diffusionOptions } from "../../../engine/diffusion/options.ts";
import { sources } from "../../../engine/diffusion/plan/latents.ts";
import { templates } from "../../../engine/diffusion/plan/template.ts";
import { choice, integer, optionalInteger } from "../../../savings/option-schemas.ts";
import type { Method } from "../method.ts";

const options = diffusionOptions.extend({
  plan: integer(1, 64).describe("tokens of a plan"),
  inner: optionalInteger(1).describe("width inside the projector (default: the executor's)"),
  source: choice(sources)
    .default("plan")
    .describe("vectors to read: plan uses the plan's states; the others are controls without a plan"),
  template: choice(templates)
    .default("chat-1")
    .describe(
      "wording of the prompts: chat-1 uses chat templates, bare-1 marks the plan by = and >, half-1 is bare-1 for the planner and chat-1 for the executor",
    ),
});
export type ProjectorOptions = z.output<typeof options>;

/**
 * Trains a projector between a frozen planner and a frozen executor (Berrayana et al. 2025, arXiv 2510.15244), with a
 * loss on answers only. MODEL is `PLANNER+EXECUTOR`; data are questions (`prompt`) and answers (`completion`).
 */
export const projector: Method<ProjectorOptions> = {
  name: "projector",
  summary: "train a projector for PLANNER+EXECUTOR",
  options,
  async *stages(own, run) {
    const { projectorStages } = await import("./open.ts");
    yield* projectorStages(own, run);
  },
  next: (out, _, model) => `modicum run --model ${model} --projector ${out} "…" runs it`,
  unscored: "the lab has no task for a projector in training; use the held-out loss",
  presets: () => ({
    ...{ batch: 64, epochs: 3, clip: 1 },
    optimizer: { lr: 1e-3, weightDecay: 0.01 },
    schedule: { name: "cosine", warmup: 0.03, minimum: 0 },
  }),
};
