import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { few, UserError } from "../../util/errors.ts";
import { jsonObject, readJson } from "../json-file.ts";
import { withFile } from "../read-file.ts";
import { pickleError } from "../safetensors/folder.ts";
import { parseHeader, type SafeTensor } from "../safetensors/header.ts";
import { readFloats } from "../safetensors/read.ts";

/** What changes the numbers; what else a configuration says is how the adapter was trained, or shows in the tensors' names. */
const settings = z.object({
  peft_type: z.literal("LORA"),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().nullish(),
  /** Values of their own for some modules. */
  alpha_pattern: z.record(z.string(), z.never()).nullish(),
  /** PiSSA and its kin change the base model's weights, too. */
  init_lora_weights: z.union([z.boolean(), z.literal("gaussian")]).nullish(),
});

/** Kin of LoRA that compute something else with tensors of the same names. */
const variants = [
  ...["use_dora", "use_qalora", "use_bdlora", "layer_replication", "alora_invocation_tokens"],
  ...["arrow_config", "kasa_config", "monteclora_config", "velora_config"],
];

/** A low-rank update (Hu et al. 2021) of a matrix [outputs, inputs]: + scale · B · A. */
export interface Update {
  readonly scale: number;
  readonly rank: number;
  readonly inputs: number;
  readonly outputs: number;
  /** [rank, inputs] */
  a(): Float32Array;
  /** [outputs, rank] */
  b(): Float32Array;
}

/** A LoRA adapter as PEFT writes it. */
export interface Lora {
  /** Every file that decides what it holds. */
  readonly files: readonly string[];
  /** By the name of the module that is updated, as the base model's code has it (`model.layers.0.self_attn.q_proj`). */
  readonly updates: ReadonlyMap<string, Update>;
}

/**
 * Reads an adapter's folder: `adapter_config.json` and the header of `adapter_model.safetensors`.
 * @throws UserError when one is missing or malformed, or it is more than a plain LoRA (DoRA, trained biases, whole modules saved)
 */
export function openLora(folder: string): Lora {
  const [config, weights] = ["adapter_config.json", "adapter_model.safetensors"].map((n) => path.join(folder, n));
  const pickle = path.join(folder, "adapter_model.bin");
  if (!existsSync(config!))
    throw new UserError(`${folder}: there is no adapter_config.json, expected the folder of a PEFT adapter`);
  if (!existsSync(weights!) && existsSync(pickle)) throw pickleError(pickle);
  const { lora_alpha, use_rslora } = readSettings(config!);
  const scale = (rank: number) => lora_alpha / (use_rslora ? Math.sqrt(rank) : rank);
  return { files: [config!, weights!], updates: updatesOf(weights!, withFile(weights!, parseHeader), scale) };
}

function readSettings(file: string): z.output<typeof settings> {
  const config = readJson(file, jsonObject, "a PEFT adapter's settings");
  const variant = variants.find((key) => config[key]);
  if (variant) throw new UserError(`${file}: "${variant}" is set, only plain LoRA adapters are merged`);
  const result = settings.safeParse(config);
  if (result.success) return result.data;
  const key = String(result.error.issues[0]!.path[0]);
  const wanted = {
    peft_type: '"LORA"',
    lora_alpha: "a number above 0",
    use_rslora: "true or false",
    alpha_pattern: "one lora_alpha for all",
    init_lora_weights: "true, false or gaussian",
  };
  const got = JSON.stringify(config[key]) ?? "missing";
  throw new UserError(`${file}: "${key}" is ${got}, expected ${wanted[key as keyof typeof wanted]}`);
}

const NAME = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/;

function updatesOf(
  file: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  scale: (rank: number) => number,
): Map<string, Update> {
  const others = [...tensors.keys()].filter((name) => !NAME.test(name));
  if (others.length > 0) throw new UserError(`${file}: tensors that are no part of a plain LoRA: ${few(others)}`);
  const modules = [...new Set([...tensors.keys()].map((name) => NAME.exec(name)![1]!))];
  if (modules.length === 0) throw new UserError(`${file}: there are no tensors in this adapter`);
  return new Map(
    modules.map((module) => {
      const [a, b] = ["A", "B"].map((part) => tensors.get(`base_model.model.${module}.lora_${part}.weight`));
      return [module, updateOf(`${file}: ${module}`, a, b, scale)];
    }),
  );
}

function updateOf(
  where: string,
  a: SafeTensor | undefined,
  b: SafeTensor | undefined,
  scale: (rank: number) => number,
): Update {
  if (!a || !b) throw new UserError(`${where}: lora_${a ? "B" : "A"} is missing beside lora_${a ? "A" : "B"}`);
  const [rank, inputs] = a.shape as [number, number];
  const [outputs, inner] = b.shape as [number, number];
  if (a.shape.length !== 2 || b.shape.length !== 2 || rank !== inner || rank < 1)
    throw new UserError(
      `${where}: lora_A is [${a.shape.join(", ")}] and lora_B [${b.shape.join(", ")}], expected [rank, inputs] and [outputs, rank]`,
    );
  return { scale: scale(rank), rank, inputs, outputs, a: () => readFloats(a), b: () => readFloats(b) };
}
