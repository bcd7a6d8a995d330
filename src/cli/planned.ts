import { generateOptions } from "../engine/decode/answer/generate.ts";
import type { PlannedOptions, PlanPipeline, Receipt } from "../index.ts";
import { parsePlanning } from "../pipelines/plan/options.ts";
import { UserError } from "../util/errors.ts";
import { givenFlags } from "./flags.ts";
import { printJson } from "./output.ts";
import { billed, openPlan, type SessionOptions } from "./session.ts";

/** The flags of an answer by a planner and an executor. */
export interface PlannedFlags extends SessionOptions {
  planning?: string;
  json?: boolean;
}

/** Flags of `run` that belong to one model. */
const OTHERS = ["raw", "infill", "mode", "format", "image", "diffusion"] as const;

/** Answers by a planner and an executor: the plan goes to stderr, the answer to stdout. @throws UserError */
export async function runPlanned(prompt: string, options: PlannedFlags, signal: AbortSignal): Promise<void> {
  const other = OTHERS.find((flag) => options[flag] !== undefined);
  if (other) throw new UserError(`--${other} is for one model, and ${options.model} names two`, 2);
  const planning = options.planning === undefined ? {} : { planning: parsePlanning(options.planning) };
  const settings: PlannedOptions = { ...givenFlags(generateOptions, options), ...planning, signal };
  using pipeline = await openPlan(options, signal);
  const answer = options.json ? whole : stream;
  await billed((onStopped) => answer(pipeline, prompt, { ...settings, onStopped }));
}

async function stream(pipeline: PlanPipeline, prompt: string, settings: PlannedOptions): Promise<Receipt> {
  let shown = false;
  for await (const { text, plan, receipt } of pipeline.generate(prompt, settings)) {
    if (plan && !shown && plan.channel !== "none") process.stderr.write(`plan: ${plan.text}\n`);
    shown = true;
    process.stdout.write(text);
    if (!receipt) continue;
    process.stdout.write("\n");
    return receipt;
  }
  throw new Error("an answer ended without its receipt");
}

async function whole(pipeline: PlanPipeline, prompt: string, settings: PlannedOptions): Promise<Receipt> {
  const { text, plan, finishReason, tokens, receipt } = await pipeline.answer(prompt, settings);
  printJson({ text, plan, finish_reason: finishReason, tokens: tokens.map(({ id }) => id), receipt });
  return receipt;
}
