import { checked } from "../../util/checked.ts";
import { type TrainInput, type TrainOptions, trainOptions } from "../options.ts";
import { parseMethod } from "./registry.ts";

/** A run's options, whole: those that are given, then the method's presets, then the defaults. @throws UserError */
export const completeOptions = (input: unknown): TrainOptions => checked(trainOptions, withPresets(input));

/** Adds the presets of the method, if there is one, for options that are not given. @throws UserError */
export function withPresets(input: unknown): unknown {
  const text = isRecord(input) ? input["method"] : undefined;
  if (typeof text !== "string") return input;
  const { method, options } = parseMethod(text);
  return beneath(fitting(method.presets?.(options) ?? {}, input as TrainInput), input);
}

/** LoRA layers are for a model that there is, and are no part of its own parameters. */
function fitting({ lora, ...presets }: Partial<TrainInput>, { architecture, train }: TrainInput): Partial<TrainInput> {
  return lora === undefined || architecture || train ? presets : { lora, ...presets };
}

/** Fields of `given`, and those of `usual` that it lacks, at any depth. */
export function beneath(usual: Partial<TrainInput> | object, given: unknown): unknown {
  if (given === undefined) return usual;
  if (!isRecord(given)) return given;
  const inner = Object.entries(usual).map(([key, value]) => [
    key,
    isRecord(value) ? beneath(value, given[key]) : (given[key] ?? value),
  ]);
  return { ...given, ...Object.fromEntries(inner) };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
