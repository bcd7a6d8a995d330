/** Derives test examples from every saving's options, so that a new saving needs no test code of its own. */
import { z } from "zod";
import type { Saving } from "./saving.ts";

type Values = Readonly<Record<string, unknown>>;
interface Property {
  readonly type?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Property[];
  readonly minimum?: number;
  readonly maximum?: number;
}

const takes = ({ options }: Saving, values: Values): boolean => options.safeParse(values).success;

const propertiesOf = ({ options }: Saving): Readonly<Record<string, Property>> =>
  (z.toJSONSchema(options, { io: "input" }).properties ?? {}) as Record<string, Property>;

/** A value other than the option's default, if the schema has one; undefined for strings, which name files. */
function sample({
  type,
  const: only,
  enum: names,
  anyOf,
  minimum = 0,
  maximum = Infinity,
  ...rest
}: Property): unknown {
  const choices = names ?? anyOf?.map((one) => one.const) ?? (only === undefined ? undefined : [only]);
  if (choices) return choices.find((one) => one !== rest.default);
  if (type === "boolean") return rest.default !== true;
  if (type === "integer" || type === "number") return Math.min(maximum, Math.max(minimum, 1));
  return undefined;
}

/** A saving's required options, such as layer numbers. */
export function leastOptions(saving: Saving): Values {
  const each = Object.entries(propertiesOf(saving)).map(([option, property]) => ({ [option]: sample(property) }));
  return [{}, ...each, Object.assign({}, ...each)].find((values) => takes(saving, values))!;
}

/** One-saving recipes for a model with this many layers: the saving's `settings`, or else each option by itself. */
export function exampleSteps(saving: Saving, layers: number): string[] {
  const settings = saving.settings?.(layers) ?? [];
  if (settings.length > 0) return settings.map((options) => `${saving.name}:${options}`);
  const least = leastOptions(saving);
  const each = Object.entries(propertiesOf(saving)).map(([option, property]) => ({
    ...least,
    [option]: sample(property),
  }));
  const steps = [least, ...each].filter((values) => takes(saving, values)).map((values) => textOf(saving, values));
  // A bare name that means a preset cannot be parsed without a model.
  return [...new Set(steps)].filter((step) => saving.withoutPreset === undefined || step !== saving.name);
}

/** The step, changed to act on short prompts if it has an option for the minimum prompt length. */
export function onShortPrompts(step: string, { leastPrompt }: Saving): string {
  return leastPrompt && !step.includes(leastPrompt.option)
    ? `${step}${step.includes(":") ? "," : ":"}${leastPrompt.option}=8`
    : step;
}

const textOf = ({ name }: Saving, values: Values): string => {
  const written = Object.entries(values).flatMap(([option, value]) =>
    value === undefined ? [] : [`${option}=${value}`],
  );
  return written.length > 0 ? `${name}:${written.join()}` : name;
};
