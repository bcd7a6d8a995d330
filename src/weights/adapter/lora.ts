import { existsSync, realpathSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { sha256Of } from "../../util/hash.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { jsonObject, readJson } from "../json-file.ts";
import { withFile } from "../read-file.ts";
import { pickleError } from "../safetensors/folder.ts";
import { parseHeader, type SafeTensor } from "../safetensors/header.ts";
import { type AdapterRecord, readRecord } from "./record.ts";
import { rowsOf, type SavedRows } from "./token-rows.ts";
import { savedOf, type Update, updatesOf } from "./updates.ts";

/** The settings that affect results; other settings concern only training, or follow from the tensors' names. */
const settings = z.object({
  peft_type: z.literal("LORA"),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  /** Alphas of individual modules. */
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
  /** Tokens with saved rows. */
  trainable_token_indices: z.union([z.array(z.int()), z.record(z.string(), z.array(z.int()))]).nullish(),
  /** PiSSA and similar methods also change the base model's weights. */
  init_lora_weights: z.union([z.boolean(), z.literal("gaussian")]).nullish(),
});

/** LoRA variants that compute something different from tensors with the same names. */
const variants = [
  ...["use_qalora", "use_bdlora", "layer_replication", "alora_invocation_tokens"],
  ...["arrow_config", "kasa_config", "monteclora_config", "velora_config"],
];

/** A LoRA adapter in PEFT's format. */
export interface Lora {
  readonly folder: string;
  /** All files that determine the adapter. */
  readonly files: readonly string[];
  /** Updates by module name in the base model's code (`model.layers.0.self_attn.q_proj`, `model.embed_tokens`). */
  readonly updates: ReadonlyMap<string, Update>;
  /** Rows of individual tokens, keyed by the module of their table. */
  readonly rows: ReadonlyMap<string, SavedRows>;
  /** A classifier head's tensors that replace the base's, by name in the base's code (`classifier.weight`). */
  readonly head: ReadonlyMap<string, SafeTensor>;
  /** The adapter's record; undefined if the folder contains none. */
  readonly record: AdapterRecord | undefined;
}

/**
 * Reads an adapter's folder: `adapter_config.json` and the header of `adapter_model.safetensors`. `head` names the
 * modules that it may replace entirely.
 * @throws UserError if a file is missing or malformed, or the adapter is not a plain LoRA or DoRA (it has trained
 * biases, or other modules saved whole)
 */
export function openLora(folder: string, head: readonly string[] = []): Lora {
  const { config, weights, settings, tensors } = readAdapter(folder);
  const { lora_alpha, use_rslora, use_dora, alpha_pattern, trainable_token_indices } = settings;
  const own = alphaPattern(config, alpha_pattern ?? {});
  const scale = (module: string, rank: number) => (own(module) ?? lora_alpha) / (use_rslora ? Math.sqrt(rank) : rank);
  const saved = savedOf(tensors, head);
  const updates = updatesOf(weights, tensors, saved, scale, use_dora === true);
  const rows = rowsOf(weights, tensors, trainable_token_indices ?? []);
  return { folder, files: [config, weights], updates, rows, head: saved, record: readRecord(folder) };
}

/**
 * An adapter's settings and tensors, without its model.
 * @throws UserError if the folder holds no adapter, or one that is not LoRA
 */
export function readAdapter(folder: string) {
  const config = path.join(folder, "adapter_config.json");
  const weights = path.join(folder, "adapter_model.safetensors");
  const pickle = path.join(folder, "adapter_model.bin");
  if (!existsSync(config))
    throw new UserError(
      `${folder}: there is no adapter_config.json, expected the folder of a PEFT adapter${trainingHint(folder)}`,
    );
  if (!existsSync(weights) && existsSync(pickle)) throw pickleError(pickle);
  return { config, weights, settings: readSettings(config), tensors: withFile(weights, parseHeader) };
}

/** A hint for a folder without an adapter, which training writes only at its end. */
const trainingHint = (folder: string): string =>
  existsSync(path.join(folder, "run.json"))
    ? `; if it holds a stopped training run, \`modicum train --resume ${folder}\` continues it`
    : "";

function readSettings(file: string): z.output<typeof settings> {
  const config = readJson(file, jsonObject, "a PEFT adapter's settings");
  const variant = variants.find((key) => config[key]);
  if (variant) throw new UserError(`${file}: "${variant}" is set; only LoRA and DoRA adapters are supported`);
  const result = settings.safeParse(config);
  if (result.success) return result.data;
  const key = String(result.error.issues[0]!.path[0]);
  const wanted = {
    peft_type: '"LORA"',
    lora_alpha: "a number above 0",
    use_rslora: "true or false",
    use_dora: "true or false",
    alpha_pattern: "a number above 0 for each pattern",
    trainable_token_indices: "token ids",
    init_lora_weights: "true, false or gaussian",
  };
  const got = JSON.stringify(config[key]) ?? "missing";
  throw new UserError(`${file}: "${key}" is ${got}, expected ${wanted[key as keyof typeof wanted]}`);
}

/** Allowed patterns: names, digits, classes and alternatives. Repeated groups are not allowed: they may backtrack forever. */
const SIMPLE_PATTERN = /^(?:[\w.|^$()*+?:-]|\\[dw.])+$/;
const REPEATED_GROUP = /\)[*+?]/;

/**
 * Reads PEFT's `alpha_pattern`: alphas for modules whose names, or their ends after a dot, match a regular expression.
 * The first match wins; undefined without a match. @throws UserError for an invalid expression
 */
function alphaPattern(
  file: string,
  patterns: Readonly<Record<string, number>>,
): (module: string) => number | undefined {
  const known = Object.entries(patterns).map(([pattern, alpha]) => [expression(file, pattern), alpha] as const);
  return (module) => known.find(([fits]) => fits.test(module))?.[1];
}

function expression(file: string, pattern: string): RegExp {
  try {
    if (SIMPLE_PATTERN.test(pattern) && !REPEATED_GROUP.test(pattern)) return new RegExp(`^(?:.*\\.)?(?:${pattern})$`);
  } catch {
    // Reported below, together with the other invalid patterns.
  }
  throw new UserError(
    `${file}: "alpha_pattern" has ${JSON.stringify(pattern)}, expected the name of a module or a simple regular expression`,
  );
}

/** A checkpoint that depends on an adapter's files as well, so that its prepared weights are separate. */
export const adapted = (base: Checkpoint, { folder, files }: Lora): Checkpoint => ({
  ...base,
  files: [...new Set([...base.files, ...files])],
  variant: variantOf(folder),
});

/** The name of the weights prepared with a folder's adapter. */
export const variantOf = (folder: string): string => `adapter-${sha256Of(realpathSync(folder)).slice(0, 16)}`;

/** @throws UserError for a DoRA, wherever only the two factors of an update are used; `what` completes the message */
export function refuseDora({ folder, updates }: Lora, what: string): void {
  if ([...updates.values()].some(({ magnitude }) => magnitude))
    throw new UserError(
      `${folder}: this adapter is a DoRA, whose updates are not plain low-rank products, so ${what}; use export --format safetensors --adapter to merge it into its model's weights`,
    );
}
