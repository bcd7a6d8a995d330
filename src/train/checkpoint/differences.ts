import { jsonOf } from "../../util/checked.ts";

/** Lists the fields in which two values differ, each as `schedule.warmup: 10, was 5`. */
export function differences(now: unknown, before: unknown): string[] {
  const [a, b] = [leaves(now), leaves(before)];
  const keys = [...new Set([...a.keys(), ...b.keys()])];
  const shown = (value: string | undefined) => value ?? "not set";
  return keys
    .filter((key) => a.get(key) !== b.get(key))
    .map((key) => `${key}: ${shown(a.get(key))}, was ${shown(b.get(key))}`);
}

/** Values by field path; a list counts as one value. */
function leaves(value: unknown, path: readonly string[] = []): Map<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const text = jsonOf(value);
    return new Map(text === undefined ? [] : [[path.join("."), text]]);
  }
  return new Map(Object.entries(value).flatMap(([key, inner]) => [...leaves(inner, [...path, key])]));
}
