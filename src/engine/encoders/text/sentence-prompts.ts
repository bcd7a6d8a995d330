import { UserError } from "../../../util/errors.ts";
import type { SentenceSettings } from "./sentence-files.ts";

type Prompts = Pick<SentenceSettings, "prompt" | "prompts">;

/** The prompt of a task's name, or the default one; `model` names the model. @throws UserError if it has none of this name */
export function promptNamed({ prompt, prompts }: Prompts, name: string | undefined, model: string): string {
  if (name === undefined) return prompt;
  if (Object.hasOwn(prompts, name)) return prompts[name]!;
  const names = Object.keys(prompts);
  const expected = names.length === 0 ? "none, since it has no prompts" : `one of ${names.join(", ")}`;
  throw new UserError(`${model} has no prompt "${name}", expected ${expected}`, 2);
}

/** The prompts of queries and documents, by sentence-transformers' names for them; a default one is for both. */
export function searchPrompts({ prompt, prompts }: Prompts): Readonly<Record<"query" | "document", string>> {
  if (prompt !== "") return { query: prompt, document: prompt };
  const document = prompts["document"] ?? prompts["passage"] ?? prompts["corpus"] ?? "";
  return { query: prompts["query"] ?? "", document };
}
