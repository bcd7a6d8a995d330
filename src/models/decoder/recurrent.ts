import type { MixerWeights } from "../../nn/mixer-weights.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { Fields } from "../config/fields.ts";
import { inHuggingFaceKeys } from "../config/original-mamba.ts";
import { modulesOf, namesOf, type Scheme, shapedNames } from "../tensors/names.ts";
import type { Architecture } from "./decoder.ts";
import type { Mixer } from "./mixer-layer.ts";
import { type RecurrentConfig, RecurrentDecoder } from "./recurrent-decoder.ts";

/**
 * Stored shapes of a layer's tensors if they differ from the model's, keyed by format, then by GGUF's name of the part.
 */
export type StoredShapes = Readonly<Record<"gguf" | "huggingface", Readonly<Record<string, readonly number[]>>>>;

/** The arguments of `recurrent`, apart from the name. */
interface Traits<C extends RecurrentConfig> {
  /** Hugging Face's names of parts whose tensors do not end in `.weight` or `.bias`. */
  readonly bare: Readonly<Record<string, string>>;
  shapes(config: C): StoredShapes;
  configure(fields: Fields): C;
  mixer(weights: MixerWeights, config: C): Mixer;
}

const scheme: Scheme = {
  prefixes: ["backbone."],
  layers: "layers",
  parts: {
    attn_norm: "norm",
    ssm_in: "mixer.in_proj",
    ssm_conv1d: "mixer.conv1d",
    ssm_x: "mixer.x_proj",
    ssm_dt: "mixer.dt_proj",
    ssm_norm: "mixer.norm",
    ssm_out: "mixer.out_proj",
    ssm_hidden: "mixer.hidden_proj",
  },
  top: { token_embd: "embeddings", output_norm: "norm_f", output: "/lm_head" },
};

/** The authors' own checkpoints differ in one tensor name. */
const original: Scheme = { ...scheme, top: { ...scheme.top, token_embd: "embedding" } };

/** A recurrent decoder's architecture from its traits; `name` is GGUF's name for it. */
export function recurrent<C extends RecurrentConfig>(
  name: string,
  { bare, shapes, configure, mixer }: Traits<C>,
): Architecture {
  const read = (config: Fields["source"]) => configure(new Fields(inHuggingFaceKeys(config), name));
  return {
    configure: read,
    unread: () => [],
    tensors: (checkpoint) => storedNames(checkpoint, bare, shapes(read(checkpoint.config))),
    modules: (canonical) => modulesOf(canonical, scheme),
    open: (weights) => new RecurrentDecoder(read(weights.config), weights, mixer),
  };
}

function storedNames(checkpoint: Checkpoint, bare: Readonly<Record<string, string>>, shapes: StoredShapes): Names {
  const usual = checkpoint.tensors.has("backbone.embedding.weight") ? original : scheme;
  const own = Object.fromEntries(Object.entries(bare).map(([part, name]) => [part, `mixer.${name}`]));
  return shapedNames(namesOf(checkpoint, { ...usual, bare: own }), shapes[checkpoint.config.kind]);
}
