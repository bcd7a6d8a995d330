import type { TransformerConfig } from "../decoder/transformer.ts";

/** Fields about a checkpoint's layout or tensors, which differ between formats. */
const OWN = new Set(["pairs", "pairsAsPublished", "biases"]);

/**
 * The first field that differs between two configurations of the same model; undefined if the configurations are equal.
 * `ofTensors`: true if tensors contain the scaling of positions, which is then not compared.
 */
export function differingField(
  before: TransformerConfig,
  after: TransformerConfig,
  ofTensors: boolean,
): string | undefined {
  const { layers } = before;
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => !OWN.has(key));
  const text = (config: TransformerConfig, key: string) =>
    JSON.stringify(plain(config[key as keyof TransformerConfig], layers, ofTensors));
  return keys.find((key) => text(before, key) !== text(after, key));
}

/** A value in a JSON-like form: functions become lists by layer, numbers have six digits (a GGUF stores float32). */
function plain(value: unknown, layers: number, ofTensors: boolean): unknown {
  if (typeof value === "number") return Number(value.toPrecision(6));
  if (typeof value === "function")
    return Array.from({ length: layers }, (_, layer) => plain(value(layer) ?? null, layers, ofTensors));
  if (Array.isArray(value)) return value.map((item) => plain(item, layers, ofTensors));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key, inner]) => inner !== undefined && !(ofTensors && key === "scaling"))
    .map(([key, inner]) => [key, plain(inner, layers, ofTensors)] as const);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
