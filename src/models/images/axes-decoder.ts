import type { Axes } from "../../nn/rope-axes.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import { decoder, type Traits, type TransformerArchitecture } from "../architecture.ts";
import { Fields } from "../config/fields.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { llamaNames, type Scheme } from "../tensors/names.ts";
import { inSafetensors } from "./clip-vision.ts";

/** Matches tensors of the image encoder. */
export const VISION = /^(model\.)?visual\./;

/** Differences between decoders whose tokens have a time, a height and a width. */
interface AxesTraits {
  /** A description of the model for messages. */
  readonly what: string;
  /** transformers' defaults for fields missing from published files. */
  readonly usual: Readonly<Record<string, unknown>>;
  readonly theta: number;
  /** The number of a head's pairs that rotate by each axis; a file may override them. */
  readonly pairs: Axes<number>;
  /** True if the axes' pairs are interleaved. */
  readonly woven: boolean;
  readonly parts?: Scheme["parts"];
  configure: (fields: Fields, own: Pick<TransformerConfig, "sections" | "axes">) => TransformerConfig;
}

/** A decoder whose tokens have positions on three axes, from the text part of a configuration. */
export function axesDecoder(name: string, traits: AxesTraits): TransformerArchitecture {
  const scheme: Scheme = {
    ...llamaNames,
    prefixes: ["model.", "model.language_model."],
    parts: { ...llamaNames.parts, ...traits.parts },
  };
  const configure: Traits<TransformerConfig>["configure"] = ({ source }) => {
    const { fields, pairs } = textOf(source, name, traits);
    fields.only("hidden_act", ["silu"]);
    const config = traits.configure(fields, { sections: { pairs, woven: traits.woven }, axes: true });
    const all = pairs.reduce((sum, n) => sum + n, 0);
    if (all === config.headSize / 2 && config.storedHeadSize === undefined) return config;
    return fields.refuse(
      "mrope_section",
      pairs,
      `sections that sum to ${config.headSize / 2}, and a head size that is a multiple of 16`,
    );
  };
  return decoder(name, { scheme, unread: VISION, configure });
}

/** The decoder's fields; older files keep them beside the tower's fields. M-RoPE's sections do not count as scaling. */
function textOf(origin: ConfigSource, name: string, { what, usual, theta, pairs }: AxesTraits) {
  const source = inSafetensors(origin, what);
  const own = new Fields(source, name).object("text_config") ?? source.config;
  const text = new Fields({ ...source, config: own }, name);
  const { mrope_section, mrope_interleaved, ...rope } = {
    ...(text.object("rope_parameters") ?? text.object("rope_scaling")),
  };
  for (const key of ["type", "rope_type"]) if (rope[key] === "mrope") rope[key] = "default";
  const parameters = { rope_theta: text.value("rope_theta") ?? theta, ...rope };
  const config = { ...usual, ...own, rope_parameters: parameters, rope_scaling: undefined };
  const fields = new Fields({ ...source, config }, name);
  return { fields, pairs: pairsOf(text, mrope_section ?? pairs) };
}

function pairsOf(fields: Fields, sections: unknown): Axes<number> {
  if (Array.isArray(sections) && sections.length === 3 && sections.every((n) => Number.isInteger(n) && n >= 0))
    return [sections[0], sections[1], sections[2]];
  return fields.refuse("mrope_section", sections, "three whole numbers");
}
