import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import { prefixed } from "../../weights/prefixed.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { decoder } from "../architecture.ts";
import { Fields } from "../config/fields.ts";
import {
  clipVisionTower,
  inSafetensors,
  readClipVision,
  visionConfig,
  withClassVector,
} from "../images/clip-vision.ts";
import { ImageEncoder, type ImageEncoderConfig } from "../images/image-encoder.ts";
import { languageOf } from "../images/language-part.ts";
import { LINE_END, ProjectedVision, type ProjectedVisionConfig } from "../images/projected-vision.ts";
import { readSiglipVision } from "../images/siglip-vision.ts";
import type { Vision, VisionLanguageArchitecture } from "../images/vision.ts";
import { llamaNames, namesOf, type Scheme } from "../tensors/names.ts";
import { dinov2Names, readDinov2 } from "./dinov2.ts";

/** The way in which one kind of LLaVA reads images. */
interface Kind {
  /** `model_type`, and the name in messages. */
  readonly name: string;
  readonly what: string;
  /** Checks fields that must have certain values, in addition to the common ones. @throws UserError */
  check(fields: Fields, image: ImageEncoderConfig): void;
  open(...parts: ConstructorParameters<typeof ProjectedVision>): Vision;
}

const names: Scheme = {
  ...llamaNames,
  prefixes: ["language_model.model.", "model.language_model."],
  top: { ...llamaNames.top, output: "/language_model.lm_head" },
};

const projector: Scheme = {
  prefixes: ["multi_modal_projector.", "model.multi_modal_projector."],
  layers: "",
  parts: {},
  top: { "mm.0": "linear_1", "mm.2": "linear_2" },
};

const towerPrefixes = [
  "vision_tower.vision_model.",
  "vision_tower.",
  "model.vision_tower.vision_model.",
  "model.vision_tower.",
];

/** A kind of image encoder. */
interface Tower {
  read(source: Parameters<typeof readClipVision>[0], name: string): ImageEncoderConfig;
  names(checkpoint: Checkpoint, image: ImageEncoderConfig): Names;
}

const clipNames: Tower["names"] = (checkpoint, image) =>
  withClassVector(namesOf(checkpoint, clipVisionTower(image, towerPrefixes)), image);

const towers: Readonly<Record<string, Tower>> = {
  clip_vision_model: { read: readClipVision, names: clipNames },
  siglip_vision_model: { read: readSiglipVision, names: clipNames },
  dinov2: {
    read: (source, name) => readDinov2(source, visionConfig(source, name)),
    names: (checkpoint, image) => dinov2Names(checkpoint, image, ["vision_tower.", "model.vision_tower."]),
  },
};

/** @throws UserError for an unsupported kind of encoder */
function towerOf(fields: Fields): Tower {
  const name = fields.object("vision_config")?.["model_type"] ?? "clip_vision_model";
  const tower = typeof name === "string" && Object.hasOwn(towers, name) ? towers[name] : undefined;
  return tower ?? fields.refuse("vision_config.model_type", name, Object.keys(towers).join(", "));
}

/** Reads the image encoder's configuration. @throws UserError */
function configureVision(
  origin: ConfigSource,
  kind: Kind,
): { tower: Tower; image: ImageEncoderConfig; vision: ProjectedVisionConfig } {
  const source = inSafetensors(origin, kind.what);
  const fields = new Fields(source, kind.name);
  fields.only("projector_hidden_act", ["gelu"]);
  fields.only("vision_feature_select_strategy", ["default", "full"]);
  const tower = towerOf(fields);
  const image = tower.read(source, kind.name);
  kind.check(fields, image);
  const language = languageOf(fields, kind.what);
  return {
    ...{ tower, image },
    vision: {
      layers: layersOf(fields, image.layers),
      dropsFirst: fields.value("vision_feature_select_strategy") !== "full",
      hidden: language.decoder.configure(language.source).hidden,
      activation: "gelu",
      imageToken: fields.number(
        undefined,
        fields.has(undefined, "image_token_id") ? "image_token_id" : "image_token_index",
        32000,
      ),
    },
  };
}

/** The number of layers before hidden state `vision_feature_layer`, which counts from the last if negative. */
function layersOf(fields: Fields, layers: number): number {
  const key = "vision_feature_layer";
  const layer = fields.number(undefined, key, -2);
  const depth = layer < 0 ? layers + 1 + layer : layer;
  if (Number.isInteger(depth) && depth >= 0 && depth <= layers) return depth;
  return fields.refuse(key, layer, `a whole number from −${layers + 1} to ${layers}`);
}

/** The head's name in files of transformers 4.52 and later. */
const HEAD = "lm_head.weight";
const LAYER = /\.encoder\.layers?\.(\d+)\./;
/** Unused tensors: the norm after the tower's last layer, a training mask, and old files' position ids. */
const UNREAD = /\.((post_)?layernorm\.(weight|bias)|head\..*|mask_token|position_ids)$/;
const VISION = /^(model\.)?((vision_tower|multi_modal_projector)\.|image_newline$)/;

/** A LLaVA of the given kind. Canonical weight names: `v.` for the encoder, `mm.` for the projection. */
export function llavaOf(kind: Kind): VisionLanguageArchitecture {
  const language = decoder(kind.name, {
    scheme: names,
    unread: VISION,
    configure(fields) {
      const { decoder: own, source } = languageOf(fields, kind.what);
      return own.configure(source);
    },
  });
  return {
    ...language,
    tensors(checkpoint) {
      const { tower: kindOf, image } = configureVision(checkpoint.config, kind);
      const tower = kindOf.names(checkpoint, image);
      const [text, between] = [namesOf(checkpoint, names), namesOf(checkpoint, projector)];
      return (canonical) => {
        if (canonical === "output.weight" && checkpoint.tensors.has(HEAD)) return HEAD;
        if (canonical === LINE_END) return lineEndOf(checkpoint);
        if (canonical.startsWith("v.")) return tower(canonical.slice(2));
        return (canonical.startsWith("mm.") ? between : text)(canonical);
      };
    },
    unreadVision(checkpoint) {
      const { vision } = configureVision(checkpoint.config, kind);
      const runs = (name: string) => Number(LAYER.exec(name)?.[1] ?? -1) < vision.layers && !UNREAD.test(name);
      return [...checkpoint.tensors.keys()].filter((name) => !VISION.test(name) || !runs(name));
    },
    hasNewTensor(config, canonical) {
      const biased = new Fields(config, kind.name).flag("multimodal_projector_bias", true);
      return canonical.endsWith(".bias") && (canonical.startsWith("v.") || (biased && canonical.startsWith("mm.")));
    },
    vision(weights) {
      const { image, vision } = configureVision(weights.config, kind);
      return kind.open(vision, new ImageEncoder(image, prefixed(weights, "v.")), weights);
    },
  };
}

const lineEndOf = ({ tensors }: Checkpoint): string => (tensors.has(LINE_END) ? LINE_END : `model.${LINE_END}`);

/**
 * LLaVA-1.5 (Liu et al. 2023): an image encoder (CLIP or a similar one), two layers that project its patches into the
 * residual stream, and a decoder.
 */
export const llava: VisionLanguageArchitecture = llavaOf({
  ...{ name: "llava", what: "a LLaVA" },
  check: () => undefined,
  open: (...parts) => new ProjectedVision(...parts),
});
