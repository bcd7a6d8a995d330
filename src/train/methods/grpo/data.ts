import { z } from "zod";
import { checked } from "../../../util/checked.ts";
import { UserError } from "../../../util/errors.ts";
import { encodeChat, type Tokenizer } from "../../../weights/tokenizer/index.ts";
import { hashOf } from "../../data/files.ts";
import { type DataFiles, promptsOf, type RunData, refuseWeights } from "../../data/open.ts";
import { message } from "../../data/records.ts";
import { framed } from "../../data/samples.ts";
import type { DataHost } from "../method.ts";
import { rowsOf } from "../preferences/rows.ts";
import type { NamedReward } from "./rewards.ts";
import { type Prompt, Rollouts } from "./rollouts.ts";

const textPrompt = z.looseObject({ prompt: z.string().min(1) });
const chatPrompt = z.looseObject({ prompt: z.array(message).min(1) });

/**
 * Reads rows with a `prompt` (a text or a list of messages) and the columns that rewards need. @throws UserError with
 * file and line
 */
export function promptData(
  { options, tokenizer }: DataHost,
  { files, validation }: DataFiles,
  group: number,
  rewards: readonly NamedReward[],
): RunData {
  const { batch: rows, tokens, seed, packing } = options;
  if (packing) throw new UserError("packing: a row holds one completion; omit packing", 2);
  if (validation !== 0)
    throw new UserError(
      "validation: grpo has no held-out loss; set validation to 0, and evaluate the model with tasks",
      2,
    );
  if (rows % group !== 0)
    throw new UserError(`batch: expected a multiple of num_generations (${group}), got ${rows}`, 2);
  refuseWeights(files, "prompts cannot be mixed by weight");
  const all = rowsOf(files, (columns) => {
    for (const { check } of rewards) check?.(columns);
    return { columns, ...promptIn(columns, tokenizer) };
  });
  const prompts = all.filter(({ ids }) => ids.length <= tokens);
  const long = all.length - prompts.length;
  if (prompts.length === 0) throw new UserError(`${files[0]!.file}: no prompt fits into a row of ${tokens} tokens`);
  return {
    training: new Rollouts(prompts, rewards, tokenizer, {
      rows,
      tokens,
      group,
      seed,
      dropped: { long, unlabelled: 0 },
    }),
    heldOut: undefined,
    hash: hashOf([...files.map(({ text }) => text), ...rewards.flatMap(({ source }) => source ?? [])]),
    prompts: promptsOf(
      all.map(({ raw }) => (raw ? "raw" : "chat")),
      tokenizer,
    ),
  };
}

function promptIn(columns: Readonly<Record<string, unknown>>, tokenizer: Tokenizer): Omit<Prompt, "where" | "columns"> {
  if (!Array.isArray(columns["prompt"])) {
    const { prompt } = checked(textPrompt, columns);
    return { prompt, raw: true, ids: [...framed(tokenizer).before, ...tokenizer.encode(prompt)] };
  }
  const { prompt } = checked(chatPrompt, columns);
  return { prompt, raw: false, ids: encodeChat(tokenizer, prompt, { addGenerationPrompt: true }) };
}
