import { writeFileSync } from "node:fs";
import path from "node:path";
import { carried, type PlanModels, type Planning, type PromptPlan, plan } from "../pipelines/plan/plan.ts";
import { train } from "./train.ts";

/** The number of tokens in a plan. */
export const TOKENS = 4;

const sizes = { n_layers: 1, n_heads: 2, n_kv_heads: 2, mlp_hidden_size: 32 };
const llada = {
  model_type: "llada",
  d_model: 32,
  ...sizes,
  max_sequence_length: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 1e4,
};
const llama = {
  ...{ model_type: "llama", hidden_size: 48, num_hidden_layers: 2, num_attention_heads: 3, num_key_value_heads: 3 },
  ...{ intermediate_size: 32, max_position_embeddings: 64, rms_norm_eps: 1e-5, rope_theta: 1e4 },
};
const QUESTIONS = ["abca", "bcab", "cabb", "aabc"];

/** The options of training a projector for the models in a folder. */
export const projectingIn = (root: string) => ({
  method: `projector:plan=${TOKENS},template=bare-1,ends=never`,
  model: `${path.join(root, "planner")}+${path.join(root, "executor")}`,
  data: path.join(root, "questions.jsonl"),
});

/** Trains a planner, an executor and a projector for a few steps, each in a folder with its name. */
export async function trainPlanners(root: string): Promise<void> {
  const at = (name: string): string => path.join(root, name);
  const write = (name: string, lines: readonly (readonly [string, string])[]) =>
    writeFileSync(at(name), lines.map(([prompt, completion]) => JSON.stringify({ prompt, completion })).join("\n"));
  write(
    "plans.jsonl",
    QUESTIONS.map((q) => [`${q}=`, `${q[1]}${q[2]}`]),
  );
  write(
    "answers.jsonl",
    QUESTIONS.map((q) => [`${q}=`, `${q[1]}${q[2]}>${q[2]}`]),
  );
  write(
    "questions.jsonl",
    QUESTIONS.map((q) => [q, q[2]!]),
  );
  const run = { tokens: 32, batch: 2, steps: 20, validation: 0, optimizer: { lr: 0.01 } };
  const method = `masked-diffusion:answer=${TOKENS}`;
  await train({ ...run, method, architecture: llada, data: at("plans.jsonl") }, { out: at("planner") });
  await train({ ...run, architecture: llama, data: at("answers.jsonl") }, { out: at("executor") });
  await train({ ...projectingIn(root), steps: 4, batch: 2, validation: 0.25 }, { out: at("projector") });
}

/** Makes a plan and its input for the executor. @throws UserError as `plan` does */
export async function carry(
  { planner, executor, latent }: PlanModels,
  question: string,
  planning: Planning,
): Promise<PromptPlan> {
  const own = latent && { source: latent.source, tokens: latent.projector.metadata.tokens };
  const done = await plan({ planner, latent: own }, question, planning);
  return carried(done, executor, latent?.projector);
}
