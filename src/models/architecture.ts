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

/** An architecture by the checkpoints' own names for it: `general.architecture`, `model_type`. Its code loads when a checkpoint needs it. */
export interface Listed<A> {
  readonly names: readonly string[];
  /** False for checkpoints of these names that are not of this architecture; absent: all are. */
  serves?(checkpoint: Checkpoint): boolean;
  load(): Promise<A>;
}

/** The arguments of `decoder` and `encoder`, besides the name. */
export interface Traits<C> {
  readonly scheme: Scheme;
  /** Hugging Face's keys, if they are not the usual ones. */
  readonly keys?: Readonly<Record<string, string>>;
  /** transformers' values of what a config.json leaves out, by the usual keys. */
  readonly defaults?: Readonly<Record<string, number>>;
  /** Tensors of parts that are not read, such as image encoders. */
  readonly unread?: RegExp;
  /** True if checkpoints may have layers behind the model's own, which predict further tokens at once and are not read. */
  readonly moreLayers?: true;
  /** `has` says whether the checkpoint holds a tensor, for facts that a GGUF shows in no other way. */
  configure(fields: Fields, has: (tensor: string) => boolean): C;
}

/** An architecture of which `Transformer` is the decoder. */
export interface TransformerArchitecture extends Architecture {
  configure(config: ConfigSource): TransformerConfig;
  readonly traits: Traits<TransformerConfig>;
}

/** A decoder's architecture by its traits; `name` is GGUF's for it. */
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

/** The layer of a checkpoint's tensor; −1 outside of layers. */
const layerOf = (tensor: string): number => Number(/(?:^|\.)(?:blk|layers)\.(\d+)\./.exec(tensor)?.[1] ?? -1);

/** Traits of a hybrid, whose recurrent layers have mixers in attention's place. */
export interface HybridTraits<C> extends Traits<C> {
  /** A canonical name by the checkpoint's numbers of layers, if they are others than the model's. */
  place?(config: C): (canonical: string) => string;
  /** Shapes of tensors that are stored in others than those asked for. */
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

/** Like `decoder`, for models in which every token sees every other. */
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
