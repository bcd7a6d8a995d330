import path from "node:path";
import { z } from "zod";
import { checked } from "../../../util/checked.ts";
import { inFile } from "../../../util/errors.ts";
import type { ConfigSource } from "../../../weights/checkpoint.ts";
import { readOptionalJson } from "../../../weights/json-file.ts";
import { aliases } from "../../../weights/sources/index.ts";
import { type SamplingInput, type SamplingOptions, samplingOptions } from "./options.ts";

/** The options that decide how tokens are drawn. */
const drawing = [
  "temperature",
  "topK",
  "topP",
  "minP",
  "repetitionPenalty",
  "repetitionWindow",
  "frequencyPenalty",
  "presencePenalty",
] as const satisfies readonly (keyof SamplingOptions)[];

/** True if a caller sets how tokens are drawn. Seeds, biases and log-probabilities do not count. */
export const saysHowToDraw = (options: Partial<SamplingInput> | Readonly<Record<string, unknown>>): boolean =>
  drawing.some((option) => options[option] !== undefined);

const off = samplingOptions.parse({});

/** The settings that affect sampling, by name: greedy decoding has no filters. */
export function effectiveSampling(options: SamplingOptions): Record<string, number> {
  const filters: readonly string[] = options.temperature === 0 ? ["topK", "topP", "minP"] : [];
  const penalised = options.repetitionPenalty !== 1;
  const inert = (name: string) => filters.includes(name) || (name === "repetitionWindow" && !penalised);
  const changed = drawing.filter((name) => !inert(name) && options[name] !== off[name]);
  return Object.fromEntries(changed.map((name) => [name, options[name]]));
}

/** The default sampling settings of a model. */
export interface ModelSampling {
  /** The settings; if a setting is absent, the caller's value is used. */
  readonly settings: Partial<Pick<SamplingOptions, (typeof drawing)[number]>>;
  /** The file with these settings. */
  readonly from: string;
}

/**
 * A model's own settings, from the list of aliases, else from its GGUF or the `generation_config.json` beside its
 * weights.
 * @throws UserError that names a setting of the file that is out of range
 */
export function samplingOf(config: ConfigSource, sha256: string | undefined): ModelSampling | undefined {
  const alias = Object.keys(published).find((name) => aliases[name]?.files[0]?.sha256 === sha256);
  if (alias !== undefined) return published[alias];
  const { from, values } = publishedSettings(config);
  const settings = settingsOf(inFile(from, () => checked(fields, values)));
  return Object.keys(settings).length > 0 ? { settings, from } : undefined;
}

const anything = z.looseObject({});

/** The settings in a checkpoint, by transformers' names. */
function publishedSettings(config: ConfigSource): {
  readonly from: string;
  readonly values: Readonly<Record<string, unknown>>;
} {
  switch (config.kind) {
    case "gguf":
      return {
        from: config.path,
        values: Object.fromEntries(
          ggufKeys.map(([name, key]) => [name, config.metadata.get(`general.sampling.${key}`)]),
        ),
      };
    case "huggingface": {
      const from = path.join(path.dirname(config.path), "generation_config.json");
      return { from, values: readOptionalJson(from, anything) ?? {} };
    }
  }
}

const ggufKeys = [
  ["temperature", "temp"],
  ["top_k", "top_k"],
  ["top_p", "top_p"],
  ["min_p", "min_p"],
  ["repetition_penalty", "penalty_repeat"],
] as const;

const { shape } = samplingOptions;
/** GGUF stores float32: 0.8 reads as 0.800000012. */
const short = (value: number): number => Number(value.toPrecision(6));
const share = shape.topP.unwrap().transform(short).nullish();
const fields = z.object({
  do_sample: z.boolean().nullish(),
  temperature: shape.temperature.unwrap().transform(short).nullish(),
  top_k: z.int().min(-1).nullish(),
  top_p: share,
  min_p: share,
  repetition_penalty: shape.repetitionPenalty.unwrap().transform(short).nullish(),
});

/** A model without sampling is greedy; with sampling, a missing temperature means 1. */
function settingsOf({ do_sample, ...values }: z.output<typeof fields>): ModelSampling["settings"] {
  const filters = {
    ...(values.top_k != null && { topK: Math.max(0, values.top_k) }),
    ...(values.top_p != null && { topP: values.top_p }),
    ...(values.min_p != null && { minP: values.min_p }),
  };
  const penalty = { ...(values.repetition_penalty != null && { repetitionPenalty: values.repetition_penalty }) };
  if (do_sample === false) return { temperature: 0, ...penalty };
  const sampled = do_sample ?? (values.temperature != null || Object.keys(filters).length > 0);
  return sampled ? { temperature: values.temperature ?? 1, ...filters, ...penalty } : penalty;
}

/** Settings for the aliases, whose GGUFs contain none. */
export const published: Readonly<Record<string, ModelSampling>> = {
  smollm2: {
    settings: { temperature: 0, repetitionPenalty: 1.05 },
    from: "research/first-minute/results",
  },
  "qwen2.5-coder": {
    settings: { temperature: 0.7, topK: 20, topP: 0.8, repetitionPenalty: 1.1 },
    from: "generation_config.json of Qwen/Qwen2.5-Coder-0.5B-Instruct",
  },
  "qwen2.5-coder-1.5b": {
    settings: { temperature: 0.7, topK: 20, topP: 0.8, repetitionPenalty: 1.1 },
    from: "generation_config.json of Qwen/Qwen2.5-Coder-1.5B-Instruct",
  },
  gemma3: {
    settings: { temperature: 1, topK: 64, topP: 0.95 },
    from: "generation_config.json of google/gemma-3-270m",
  },
};
