import {
  type Decoder,
  firstAttention,
  hasRecurrent,
  isRecurrent,
  keepsKeys,
  layersOf,
} from "../../models/decoder/decoder.ts";
import { attentionKind } from "../../models/programs/segments.ts";
import { hasWindow } from "../../models/state/window-start.ts";
import { UserError } from "../../util/errors.ts";
import { mixedFills, type StateFill } from "../plan.ts";

/** The reason why tokens cannot exit a model early; undefined if they can. */
export function exitUnsupported({ config }: Decoder): string | undefined {
  if (config.longRopeBeyond !== undefined) return "rotary factors that depend on the text's length";
  return config.layers < 2 ? "a single layer" : undefined;
}

/** @throws UserError if tokens cannot exit the model early */
export function requireExits(saving: string, decoder: Decoder): void {
  const why = exitUnsupported(decoder);
  if (why !== undefined) throw new UserError(`${saving} does not support this model: it has ${why}`, 2);
}

/** The exits of `all` at or after layer `from`, ascending. @throws UserError if there is no such exit */
export function exitsFrom(saving: string, all: readonly number[], from = 1): readonly number[] {
  const layers = all.filter((layer) => layer >= from);
  if (layers.length > 0) return layers;
  throw new UserError(`${saving}: there is no exit at or after layer ${from}; the last is after ${all.at(-1)}`, 2);
}

/** Fills for recurrent layers; `verify` is missing, because it would have to roll their states back. */
const STATE_FILLS: readonly StateFill[] = ["ssm-partial", "ssm-skip", "recompute", "none"];

/** Fills for layers of either kind. */
const SHARED_FILLS: readonly StateFill[] = ["recompute", "none"];

/** The option `fill` as chains of fills; the model uses the first fill in a chain that its layers support. */
export const fillLists = [...mixedFills, "copy-hidden/copy-kv/ssm-partial"] as const;

/** The help of the option `fill`. */
export const fillHelp =
  "state for the layers a token skips: the exit layer's keys and values (copy-kv), keys and values computed from the stream at the exit (copy-hidden), the layers' own once a later token needs them (recompute), or none (mask); for a recurrent model, states updated by the stream (ssm-partial) or unchanged (ssm-skip); a chain (with /) takes the first that fits the model";

/** The help of the option `from`. */
export const fromHelp = "use only exits after at least this many layers; default: all exits";

/**
 * The fill of layers from `layer` on for a token that exited after `layer` layers: the first option that these layers
 * support, or one per kind of layer. @throws UserError if these layers support no option
 */
export function fillFor(
  saving: string,
  option: StateFill | (typeof fillLists)[number],
  layer: number,
  decoder: Decoder,
): StateFill {
  const chain = option.split("/") as StateFill[];
  const all = kindOf(layer, decoder) === "mixed" && chain.length > 1 ? pairsOf(chain) : chain;
  const found = all.find((fill) => unsupportedFill(fill, layer, decoder) === undefined);
  if (found === undefined) checkFill(saving, all[0]!, layer, decoder);
  return found!;
}

/** A chain's pairs: each fill for attention layers, with the chain's last fill for recurrent layers. */
const pairsOf = (chain: readonly StateFill[]): StateFill[] =>
  chain.flatMap((fill) => mixedFills.filter((pair) => pair === `${fill}/${chain.at(-1)}`));

/** @throws UserError if the layers from `layer` on do not support the fill for a token that exited before them */
export function checkFill(saving: string, fill: StateFill, layer: number, decoder: Decoder): void {
  const why = unsupportedFill(fill, layer, decoder);
  if (why !== undefined) throw new UserError(`${saving}: fill=${fill} is for ${why}`, 2);
}

/** The layers from `layer` on, or only the last layer if `layer` is beyond it. */
function deeperLayers(layer: number, { config }: Decoder): number[] {
  const first = Math.min(layer, config.layers - 1);
  return Array.from({ length: config.layers - first }, (_, i) => first + i);
}

/** The kind of the layers from `layer` on. */
function kindOf(layer: number, decoder: Decoder): "attention" | "recurrent" | "mixed" {
  const { config } = decoder;
  const [first, ...others] = deeperLayers(layer, decoder).map((deeper) => isRecurrent(config, deeper));
  if (config.sides || others.includes(!first)) return "mixed";
  return first ? "recurrent" : "attention";
}

/** The end of an error message, if the fill does not support the model's layers from `layer` on. */
function unsupportedFill(fill: StateFill, layer: number, decoder: Decoder): string | undefined {
  switch (kindOf(layer, decoder)) {
    case "attention":
      return unsupportedEntries(fill, layer, decoder);
    case "recurrent":
      return STATE_FILLS.includes(fill)
        ? undefined
        : `attention layers, but the model's are recurrent: expected ${STATE_FILLS.slice(0, -1).join(", ")}`;
    case "mixed": {
      const [entries, states] = fill.split("/") as StateFill[];
      if (states !== undefined) return unsupportedEntries(entries!, layer, decoder);
      return SHARED_FILLS.includes(fill)
        ? undefined
        : `layers of one kind, but this model mixes two: expected recompute, ${mixedFills.join(", ")}`;
    }
  }
}

/** Like `unsupportedFill`, for attention layers. */
function unsupportedEntries(fill: StateFill, layer: number, decoder: Decoder): string | undefined {
  const { config } = decoder;
  const isLacking = fill === "none" || fill === "mask";
  // Otherwise only some of the layers that a token skips would have the token's keys.
  if (isLacking && deeperLayers(layer, decoder).some((l) => (config.keysOf?.(l) ?? l) < layer))
    return "layers with their own keys and values, but some layers of this model share them";
  switch (fill) {
    case "ssm-partial":
    case "ssm-skip":
      return "recurrent layers, but the model's are attention layers";
    case "copy-kv":
      return unsupportedCopy(layer, decoder);
    case "copy-hidden":
      return firstAttention(decoder).rotated === undefined ? undefined : "fully rotated heads, but the model's are not";
    case "mask":
      return deeperLayers(layer, decoder).some((l) => hasWindow(config, l))
        ? "layers without a sliding window, but the model has one"
        : undefined;
    case "verify":
      return hasRecurrent(config) ? "models without recurrent layers, whose states cannot be rolled back" : undefined;
    case "copy-kv/ssm-partial":
    case "copy-hidden/ssm-partial":
      return "layers of two kinds, but this model has only one";
    case "recompute":
    case "none":
      return undefined;
  }
}

/** The end of an error message, if the keys and values of the model's layers cannot be copied to deeper ones. */
function unsupportedCopy(layer: number, decoder: Decoder): string | undefined {
  const attending = layersOf(decoder.config, "attention");
  const source = attending.findLast((l) => l < layer);
  if (source === undefined) return `exits after an attention layer, but the first such layer is ${attending[0]! + 1}`;
  const kind = attentionKind(decoder, source);
  const other = attending.find((l) => l >= layer && keepsKeys(decoder.config, l) && attentionKind(decoder, l) !== kind);
  return other === undefined
    ? undefined
    : `layers with the same attention, but layers ${source + 1} and ${other + 1} differ`;
}
