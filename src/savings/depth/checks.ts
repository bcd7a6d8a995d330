import { type Decoder, isRecurrent } from "../../models/decoder/decoder.ts";
import { attentionKind } from "../../models/programs/segments.ts";
import { UserError } from "../../util/errors.ts";
import type { StateFill } from "../plan.ts";

/** The reason why no token can leave a model early, if there is one. */
export function exitUnsupported({ config }: Decoder): string | undefined {
  if (config.longRopeBeyond !== undefined) return "rotary factors that go by the length of a text";
  return config.layers < 2 ? "a single layer" : undefined;
}

/** @throws UserError if no token can leave the model early */
export function requireExits(saving: string, decoder: Decoder): void {
  const why = exitUnsupported(decoder);
  if (why !== undefined) throw new UserError(`${saving} does not serve this model: it has ${why}`, 2);
}

/** The exits after at least `from` layers, of those after `all`, ascending. @throws UserError if there are none */
export function exitsFrom(saving: string, all: readonly number[], from = 1): readonly number[] {
  const layers = all.filter((layer) => layer >= from);
  if (layers.length > 0) return layers;
  throw new UserError(`${saving}: there is no exit from layer ${from} on; the last is after ${all.at(-1)}`, 2);
}

/** Fills of recurrent layers. Drafts would need their states taken back. */
const STATE_FILLS: readonly StateFill[] = ["ssm-partial", "ssm-skip", "recompute", "none"];

/** Chains, as values of the option `fill`: the first that the model's layers can take. */
export const fillLists = ["copy-kv/ssm-partial", "copy-hidden/ssm-partial", "copy-hidden/copy-kv/ssm-partial"] as const;

/**
 * The fill of the layers from `layer` on for a token that left after `layer` layers: the first of those asked for that
 * these layers can take.
 * @throws UserError if there is none
 */
export function fillFor(
  saving: string,
  asked: StateFill | (typeof fillLists)[number],
  layer: number,
  decoder: Decoder,
): StateFill {
  const all = asked.split("/") as StateFill[];
  const found = all.find((fill) => unsupportedFill(fill, layer, decoder) === undefined);
  if (found === undefined) checkFill(saving, all[0]!, layer, decoder);
  return found!;
}

/** @throws UserError if the layers from `layer` on cannot take the fill for a token that left after `layer` layers */
export function checkFill(saving: string, fill: StateFill, layer: number, decoder: Decoder): void {
  const why = unsupportedFill(fill, layer, decoder);
  if (why !== undefined) throw new UserError(`${saving}: fill=${fill} is for ${why}`, 2);
}

/** The layers that a fill is for, if it is not for the model's from `layer` on. */
function unsupportedFill(fill: StateFill, layer: number, decoder: Decoder): string | undefined {
  const { layers, window } = decoder.config;
  const recurrent = isRecurrent(decoder.config);
  const deeper = Array.from({ length: layers - layer + 1 }, (_, i) => layer - 1 + i);
  if (recurrent && !STATE_FILLS.includes(fill))
    return `layers that attend, and the model's are recurrent: expected ${STATE_FILLS.slice(0, -1).join(", ")}`;
  switch (fill) {
    case "ssm-partial":
    case "ssm-skip":
      return recurrent ? undefined : "recurrent layers, and the model's attend";
    case "copy-kv": {
      const kind = attentionKind(decoder, layer - 1);
      const other = deeper.find((l) => attentionKind(decoder, l) !== kind);
      return other === undefined ? undefined : `layers that attend alike, and layers ${layer} and ${other + 1} do not`;
    }
    case "copy-hidden":
      return decoder.attention(0).rotated === undefined
        ? undefined
        : "heads that are rotated as a whole, and the model's are not";
    case "mask":
      return deeper.some((l) => window?.(l) !== undefined)
        ? "layers without a sliding window, and the model has one"
        : undefined;
    case "recompute":
    case "verify":
    case "none":
      return undefined;
  }
}
