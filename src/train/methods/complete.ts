import { checked } from "../../util/checked.ts";
import { optionNames } from "../../util/named-options.ts";
import { methodOption, type TrainInput, type TrainOptions, trainOptions } from "../options.ts";
import { methodNamed, parseMethod } from "./registry.ts";

/** Completes a run's options with the method's presets, then with the defaults. @throws UserError */
export const completeOptions = (input: unknown): TrainOptions => checked(trainOptions, withPresets(input));

/** Fills missing options with the method's presets, if there is a method. @throws UserError */
export function withPresets(input: unknown): unknown {
  const value = isRecord(input) ? methodOption.safeParse(input["method"]).data : undefined;
  if (value === undefined) return input;
  const { method, options } = parseMethod(value);
  return beneath(fitting(method.presets?.(options) ?? {}, input as TrainInput), input);
}

/** Drops a preset's LoRA layers if the model is new or the user trains the model's own parameters. */
function fitting({ lora, ...presets }: Partial<TrainInput>, { architecture, train }: TrainInput): Partial<TrainInput> {
  return lora === undefined || architecture || train ? presets : { lora, ...presets };
}

/** Separates the method's options, which it knows by name, from the run's. */
export function withMethod(name: string, input: object): object {
  const own = optionNames(methodNamed(name).options);
  const fields = (isOwn: boolean) =>
    Object.fromEntries(Object.entries(input).filter(([key]) => own.includes(key) === isOwn));
  return { ...fields(false), method: { name, ...fields(true) } };
}

/** Merges `override` over `usual`, at any depth. */
export function beneath(usual: Partial<TrainInput> | object, override: unknown): unknown {
  if (override === undefined) return usual;
  if (!isRecord(override)) return override;
  const inner = Object.entries(usual).map(([key, value]) => [
    key,
    isRecord(value) ? beneath(value, override[key]) : (override[key] ?? value),
  ]);
  return { ...override, ...Object.fromEntries(inner) };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
