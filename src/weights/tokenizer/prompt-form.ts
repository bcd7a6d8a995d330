import { z } from "zod";
import { sha256Of } from "../../util/hash.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** `chat`: turns in the model's chat template. `raw`: plain text. */
export const promptForms = ["chat", "raw"] as const;
export type PromptForm = (typeof promptForms)[number];

/** The forms in words. */
export const formNames: Readonly<Record<PromptForm, string>> = { chat: "a chat", raw: "plain text" };

/** The form of a measurement's questions: a prompt form, or `scored` if texts were only scored, not generated. */
export const questionForm = z.enum([...promptForms, "scored"]);

/** SHA-256 of a model's chat template; undefined if it has none. */
export function templateHash({ chatTemplate }: Pick<Tokenizer, "chatTemplate">): string | undefined {
  return chatTemplate === undefined ? undefined : sha256Of(chatTemplate);
}
