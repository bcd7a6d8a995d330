/**
 * Unused tensors that would change a model's results: those of further layers, those beside a used tensor in its module
 * (a bias, a scale), and weights inside a used layer. Others (another head, a buffer) do not concern the model.
 */
export function unexpected(names: Iterable<string>, used: ReadonlySet<string>): string[] {
  const kinds = new Set([...used].map(kindOf));
  const modules = new Set([...used].map(moduleOf));
  const layers = new Set([...used].map(layerOf));
  return [...names].filter(
    (name) =>
      !used.has(name) &&
      (kinds.has(kindOf(name)) ||
        modules.has(moduleOf(name)) ||
        (name.endsWith(".weight") && layerOf(name) !== "" && layers.has(layerOf(name)))),
  );
}

/** The name without its numbers: the same for all layers. */
const kindOf = (name: string): string => name.replace(/\d+/g, "*");

/** `model.layers.0.self_attn.q_proj` of `model.layers.0.self_attn.q_proj.weight`. */
const moduleOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf("."))) || name;

/** `model.layers.0.` of `model.layers.0.self_attn.q_proj.weight`; nothing outside of layers. */
const layerOf = (name: string): string => /^.*?\.\d+\./.exec(name)?.[0] ?? "";
