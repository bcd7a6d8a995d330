import { z } from "zod";
import { jsonOf } from "../../../util/checked.ts";
import type { Json, TemplateVariables } from "../../../weights/tokenizer/index.ts";

/** Reasoning efforts, with the names that OpenAI and other servers use. */
const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;
export const reasoningEffort = z.enum(efforts, `expected one of ${efforts.join(", ")}`);

/** Variables that the engine sets, and names that mean something else on other servers. */
const TAKEN = [
  ...["messages", "conversation", "tools", "documents", "bos_token", "eos_token", "chat_template"],
  ...["add_generation_prompt", "continue_final_message", "tokenize"],
];
const FREE_NAME = new RegExp(`^(?!(${TAKEN.join("|")})$)[a-z_]\\w*$`, "i");

/** The maximum length of all variables as JSON, in characters, because a template may write them into the prompt. */
const MOST = 1 << 16;

/** Other variables of a chat template. */
export const templateVariables = z
  .record(
    z.string().regex(FREE_NAME, `expected a name other than ${TAKEN.join(", ")}`),
    z.custom<Json>(),
    "expected an object of variable names and values",
  )
  .refine((all) => (jsonOf(all) ?? "").length <= MOST, `expected at most ${MOST} characters of JSON`);

interface ReasoningOptions {
  readonly reasoningEffort?: z.output<typeof reasoningEffort> | undefined;
  readonly templateVariables?: TemplateVariables | undefined;
}

/** The chat template variables that a request sets; templates have several names for the reasoning switch. */
export function variablesOf({
  reasoningEffort: effort,
  templateVariables,
}: ReasoningOptions): TemplateVariables | undefined {
  if (effort === undefined) return templateVariables;
  const thinking = effort !== "none";
  return { reasoning_effort: effort, enable_thinking: thinking, thinking, ...templateVariables };
}
