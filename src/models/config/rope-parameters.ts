import type { Fields } from "./fields.ts";

/** The fields of config.json on a rotary embedding. */
export type Parameters = Readonly<Record<string, unknown>>;

export function numberOf(fields: Fields, parameters: Parameters, key: string, fallback?: number): number {
  const value = parameters[key] ?? fallback;
  return typeof value === "number" && value > 0 ? value : fields.refuse(key, value, "a positive number");
}
