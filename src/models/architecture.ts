import type { MixerWeights } from "../nn/mixer-weights.ts";
import type { Checkpoint, ConfigSource } from "../weights/checkpoint.ts";
import type { WeightSource } from "../weights/weight-source.ts";
import { Fields } from "./config/fields.ts";
import type { Architecture } from "./decoder/decoder.ts";
import type { Mixer } from "./decoder/mixer-layer.ts";
import type { StoredShapes } from "./decoder/recurrent.ts";
import { Transformer, type TransformerConfig } from "./decoder/transformer.ts";
import { Encoder, type EncoderConfig } from "./encoder/encoder.ts";
import { modulesOf, namesOf, partOf, type Scheme, shapedNames } from "./tensors/names.ts";

/** An architecture by its names in checkpoints: `general.architecture`, `model_type`. Its code loads when a checkpoint needs it. */
export interface Entry<A> {
  readonly names: readonly string[];
  /** False for checkpoints that have one of these names but a different architecture; if absent, true for all. */
  serves?(checkpoint: Checkpoint): boolean;
  load(): Promise<A>;
}

/** The arguments of `decoder` and `encoder`, apart from the name. */
export interface Traits<C> {
  readonly scheme: Scheme;
  /** Hugging Face's keys, if they differ from the usual keys. */
  readonly keys?: Readonly<Record<string, string>>;
  /** transformers' defaults for values missing from config.json, by the usual keys. */
  readonly defaults?: Readonly<Record<string, number>>;
  /** Matches tensors of unused parts, such as image encoders. */
  readonly unread?: RegExp;
  /** True if checkpoints may have extra layers for multi-token prediction (MTP), which are not read. */
  readonly moreLayers?: true;
  /** `has` tests whether the checkpoint holds a tensor; only the tensors of a GGUF reveal some of its settings. */
  configure(fields: Fields, has: (tensor: string) => boolean): C;
}

/** An architecture whose decoder is a `Transformer`. */
export interface TransformerArchitecture extends Architecture {
  configure(config: ConfigSource): TransformerConfig;
  readonly traits: Traits<TransformerConfig>;
}

/** A decoder's architecture from its traits; `name` is GGUF's name for it. */
export function decoder(name: string, traits: Traits<TransformerConfig>): TransformerArchitecture {
  const { scheme, keys = {}, defaults, unread, moreLayers, configure } = traits;
  const read = (config: Fields["source"], has: (tensor: string) => boolean = () => false) =>
    configure(new Fields(config, name, keys, defaults), has);
  return {
    traits,
    configure: (config) => read(config),
    unread({ config, tensors }) {
      const layers = moreLayers ? read(config).layers : Number.POSITIVE_INFINITY;
      return [...tensors.keys()].filter((tensor) => unread?.test(tensor) || layerOf(tensor) >= layers);
    },
    tensors: (checkpoint) => namesOf(checkpoint, scheme),
    modules: (canonical) => modulesOf(canonical, scheme),
    open: (weights) =>
      new Transformer(
        read(weights.config, (tensor) => weights.has(tensor)),
        weights,
      ),
  };
}

/** The layer of a checkpoint's tensor; −1 outside layers. */
const layerOf = (tensor: string): number => Number(/(?:^|\.)(?:blk|layers)\.(\d+)\./.exec(tensor)?.[1] ?? -1);

/** Traits of a hybrid, whose recurrent layers have mixers instead of attention. */
export interface HybridTraits<C> extends Traits<C> {
  /** Maps canonical names to the checkpoint's layer numbers, if they differ from the model's. */
  place?(config: C): (canonical: string) => string;
  /** The stored shapes of tensors that the model uses in a different shape. */
  shapes(config: C): StoredShapes;
  mixer(weights: MixerWeights, config: C): Mixer;
}

/** Like `decoder`, for hybrids. */
export function hybrid<C extends TransformerConfig>(
  name: string,
  { shapes, mixer, place = () => (canonical) => canonical, ...traits }: HybridTraits<C>,
): Architecture {
  const read = (config: Fields["source"], has: (tensor: string) => boolean = () => false) =>
    traits.configure(new Fields(config, name, traits.keys, traits.defaults), has);
  return {
    ...decoder(name, traits),
    tensors(checkpoint) {
      const config = read(checkpoint.config);
      const [usual, placed] = [namesOf(checkpoint, traits.scheme), place(config)];
      return shapedNames((canonical) => usual(placed(canonical)), shapes(config)[checkpoint.config.kind]);
    },
    modules: (canonical, source) => modulesOf(place(read(source))(canonical), traits.scheme),
    part: (canonical) => partOf(canonical, traits.scheme),
    open(weights) {
      const config = read(weights.config, (tensor) => weights.has(tensor));
      return new Transformer(config, weights, (own) => mixer(own, config));
    },
  };
}

/** Like `decoder`, for models in which every token sees all other tokens. */
export function encoder(name: string, { scheme, keys = {}, defaults, configure }: Traits<EncoderConfig>) {
  return {
    tensors: (checkpoint: Checkpoint) => namesOf(checkpoint, scheme),
    modules: (canonical: string) => modulesOf(canonical, scheme),
    open(weights: WeightSource): Encoder {
      const fields = new Fields(weights.config, name, keys, defaults);
      return new Encoder(
        configure(fields, (tensor) => weights.has(tensor)),
        weights,
      );
    },
  };
}
export type EncoderArchitecture = ReturnType<typeof encoder>;
