import { createHash } from "node:crypto";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { askedOfQuestion } from "./prompt.ts";
import { reflectionPrompt } from "./reflection.ts";

/**
 * SHA-256 of all texts that prompts of questions are made of: the model's chat template, which may name the day, as its
 * source, and the words of this pipeline.
 */
export function templateHash(tokenizer: Tokenizer): string {
  const { plain, with: reading } = askedOfQuestion(tokenizer, "{question}");
  const texts = [
    tokenizer.chatTemplate ?? null,
    plain,
    reading(["{passage}"]),
    reflectionPrompt(tokenizer, "{question}"),
  ];
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex");
}
