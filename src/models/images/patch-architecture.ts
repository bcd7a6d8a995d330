import type { ConfigSource } from "../../weights/checkpoint.ts";
import { prefixed } from "../../weights/prefixed.ts";
import type { TransformerArchitecture } from "../architecture.ts";
import { Fields } from "../config/fields.ts";
import { VISION } from "./axes-decoder.ts";
import { inSafetensors } from "./clip-vision.ts";
import { MergedVision } from "./merged-vision.ts";
import { PatchEncoder } from "./patch-encoder.ts";
import { patchNames, readPatchEncoder, type TowerTraits } from "./patch-tower.ts";
import type { VisionLanguageArchitecture } from "./vision.ts";

interface PatchTraits {
  /** A description of the model for messages. */
  readonly what: string;
  readonly language: TransformerArchitecture;
  readonly tower: TowerTraits;
}

/**
 * A decoder that reads images as merged squares of their patches. Canonical names of the encoder's weights begin with `v.`,
 * the merger's with `mm.`.
 */
export function patchArchitecture(name: string, { what, language, tower }: PatchTraits): VisionLanguageArchitecture {
  /** Reads the image encoder's configuration. @throws UserError */
  const configureVision = (origin: ConfigSource) => {
    const source = inSafetensors(origin, what);
    const fields = new Fields(source, name);
    const image = readPatchEncoder(source, name, tower);
    const { hidden, layers } = language.configure(source);
    const adding = image.deep.length;
    if (adding >= layers)
      fields.refuse("deepstack_visual_indexes", image.deep, `fewer layers than the decoder's ${layers}`);
    const imageToken = fields.number(undefined, "image_token_id", 151655);
    return { image, place: { hidden, imageToken, adding } };
  };
  return {
    ...language,
    tensors(checkpoint) {
      const image = patchNames(checkpoint, configureVision(checkpoint.config).image, tower);
      const text = language.tensors(checkpoint);
      return (canonical) => (/^(v|mm)\./.test(canonical) ? image : text)(canonical);
    },
    unreadVision: ({ tensors }) => [...tensors.keys()].filter((tensor) => !VISION.test(tensor)),
    hasNewTensor: (_, canonical) => canonical.endsWith(".bias") && /^(v|mm)\./.test(canonical),
    vision(weights) {
      const { image, place } = configureVision(weights.config);
      return new MergedVision(place, new PatchEncoder(image, prefixed(weights, "v.")), weights);
    },
  };
}
