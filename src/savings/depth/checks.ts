import { type Decoder, isRecurrent } from "../../models/decoder.ts";
import { attentionKind } from "../../models/segments.ts";
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

/** The fill that a recipe asks for, else the model's usual one: `usual` is that of layers that attend. */
export const fillOf = <F extends StateFill>(asked: F | undefined, usual: F, { config }: Decoder): F | "ssm-partial" =>
  asked ?? (isRecurrent(config) ? "ssm-partial" : usual);

/**
 * Checks that the layers from `layer` on can take a fill for a token that left after `layer` layers.
 * @throws UserError
 */
export function checkFill(saving: string, fill: StateFill, layer: number, decoder: Decoder): void {
  const { layers, window } = decoder.config;
  const recurrent = isRecurrent(decoder.config);
  const deeper = Array.from({ length: layers - layer + 1 }, (_, i) => layer - 1 + i);
  const refuse = (why: string): never => {
    throw new UserError(`${saving}: fill=${fill} is for ${why}`, 2);
  };
  if (recurrent && !STATE_FILLS.includes(fill))
    refuse(`layers that attend, and the model's are recurrent: expected ${STATE_FILLS.slice(0, -1).join(", ")}`);
  switch (fill) {
    case "ssm-partial":
    case "ssm-skip":
      if (!recurrent) refuse("recurrent layers, and the model's attend");
      return;
    case "copy-kv": {
      const kind = attentionKind(decoder, layer - 1);
      const other = deeper.find((l) => attentionKind(decoder, l) !== kind);
      if (other !== undefined) refuse(`layers that attend alike, and layers ${layer} and ${other + 1} do not`);
      return;
    }
    case "copy-hidden":
      if (decoder.attention(0).rotated !== undefined)
        refuse("heads that are rotated as a whole, and the model's are not");
      return;
    case "mask":
      if (deeper.some((l) => window?.(l) !== undefined))
        refuse("layers without a sliding window, and the model has one");
      return;
    case "recompute":
    case "verify":
    case "none":
  }
}
