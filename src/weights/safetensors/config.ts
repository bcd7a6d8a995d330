import path from "node:path";
import { UserError } from "../../util/errors.ts";
import type { JsonObject } from "../json.ts";
import { jsonObject, readJson } from "../json-file.ts";

/** Reads a model's `config.json`. @throws UserError if it is missing or malformed, or the weights are quantised */
export function readConfig(folder: string): { path: string; config: JsonObject; architecture: string } {
  const file = path.join(folder, "config.json");
  const config = readJson(file, jsonObject, "the model's configuration beside its weights");
  // diffusers names a network's class.
  const architecture = config["model_type"] ?? config["_class_name"] ?? originalMamba(config);
  if (typeof architecture !== "string")
    throw new UserError(`${file}: "model_type" is ${JSON.stringify(architecture) ?? "missing"}, expected a name`);
  refuseQuantised(file, config["quantization_config"]);
  return { path: file, config, architecture };
}

/** The name of Mamba's own configurations, which have none (state-spaces/mamba). */
function originalMamba(config: JsonObject): string | undefined {
  if (!("d_model" in config && "ssm_cfg" in config)) return undefined;
  return (config["ssm_cfg"] as JsonObject | null)?.["layer"] === "Mamba2" ? "mamba2" : "mamba";
}

function refuseQuantised(file: string, quantisation: unknown): void {
  if (quantisation === undefined || quantisation === null) return;
  const { quant_method: method } = quantisation as JsonObject;
  throw new UserError(
    `${file}: weights quantised by ${JSON.stringify(method) ?? "an unnamed method"} ("quantization_config") are not read; take the model's plain weights, or a GGUF`,
  );
}
