import { UserError } from "../../util/errors.ts";
import type { Layout } from "../../weights/adapter/lora-layers.ts";

/** The tables that can be trained in full beside LoRA layers, by canonical name. */
const SAVED = ["token_embd", "output"];

/**
 * The tensors of PEFT's `modules_to_save`, by canonical name.
 * @throws UserError for a name without a tensor, and for a head tied to the token table
 */
export function savedModules(
  names: string | undefined,
  { modules }: Pick<Layout, "modules">,
  has: (name: string) => boolean,
): string[] {
  if (names === undefined) return [];
  const known = new Map(SAVED.flatMap((name) => modules(name).map((module) => [module, `${name}.weight`] as const)));
  const found = names.split(",").map((text) => {
    const name = text.trim();
    const [, tensor] = [...known].find(([module]) => module === name || module.endsWith(`.${name}`)) ?? [];
    if (tensor !== undefined) return tensor;
    throw new UserError(
      `lora.modules_to_save: the model has no module "${name}" (known modules: ${[...known.keys()].join(", ")})`,
      2,
    );
  });
  if (has("output.weight")) return found;
  throw new UserError(
    "lora.modules_to_save: the model's head is tied to its token table, so neither can be trained without the other",
    2,
  );
}
