import { z } from "zod";
import { channels, isPlanName, parsePlanName } from "../../engine/diffusion/plan/name.ts";
import type { TextPipeline } from "../text-pipeline.ts";
import type { ShownPlan } from "./plan.ts";
import type { Hashes } from "./trained.ts";

export const plan: TextPipeline<Hashes> = {
  name: "plan",
  group: "planning",
  summary: "a diffusion model plans, a decoder answers: --model A+B",
  options: async () => (await import("./options.ts")).planningOptions,
  naming: {
    is: isPlanName,
    kind: "a planner with an executor",
    form: "PLANNER+EXECUTOR",
    takers: "`run` and openPlanner",
  },
  shows: {
    field: "plan",
    schema: z
      .object({
        channel: z.enum(channels),
        text: z.string().describe("the plan as text, even if the executor got it as vectors"),
        tokens: z.int(),
        passes: z.int().describe("forward passes of the planner"),
        ms: z.number(),
      })
      .describe("for PLANNER+EXECUTOR: the plan; in a stream, in the first event"),
    first: true,
    line(shown) {
      const { channel, text } = shown as ShownPlan;
      return channel === "none" ? undefined : `plan: ${text}`;
    },
  },
  listed: {
    field: "plan",
    schema: z
      .object({ planner: z.string(), executor: z.string() })
      .describe("for PLANNER+EXECUTOR: the model that plans, and the model that answers"),
  },
  settings: {
    field: "planning",
    maxTokens: 8,
    flags: {
      planning: {
        value: "channel",
        help: "PLANNER+EXECUTOR: latent, text or none, with options such as text:steps=4",
      },
      projector: {
        value: "folder",
        help: "PLANNER+EXECUTOR: a trained projector, instead of the shipped one",
      },
    },
    alone: {
      fields: ["retrieval", "savings", "tools", "response_format", "images", "logprobs", "diffusion", "n"],
      flags: ["raw", "infill", "mode", "format", "image", "diffusion"],
    },
    load: () => import("./fields.ts"),
  },
  parse(model) {
    const roles = isPlanName(model) ? parsePlanName(model) : undefined;
    return roles && { roles: { ...roles }, optionText: "" };
  },
  async checkModels({ planner, executor }) {
    const { plannerOf, executorOf } = await import("./trained.ts");
    plannerOf(planner!);
    executorOf(executor!);
  },
  dense: "executor",
  nameOf: ({ planner, executor }) => `${planner}+${executor}`,
  prepare: async (_, resources) => (await import("./trained.ts")).hashesOf(resources),
  async *answer(named, resources, request, own) {
    const { planned } = await import("./planned.ts");
    yield* planned(named, resources, request, own);
  },
};
