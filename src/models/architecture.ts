import type { Architecture } from "./decoder.ts";
import { Fields } from "./fields.ts";
import { namesOf, type Scheme } from "./names.ts";
import { Transformer, type TransformerConfig } from "./transformer.ts";

/** What `decoder` is told of an architecture beside its name. */
export interface Traits {
  /** Other names that checkpoints have for it. */
  readonly also?: readonly string[];
  readonly scheme: Scheme;
  /** Hugging Face's keys where they are not the usual ones. */
  readonly keys?: Readonly<Record<string, string>>;
  configure(fields: Fields): TransformerConfig;
}

/** A decoder's architecture by its traits; `name` is GGUF's for it. */
export function decoder(name: string, { also = [], scheme, keys = {}, configure }: Traits): Architecture {
  const read = (config: Fields["source"]) => configure(new Fields(config, name, keys));
  return {
    names: [name, ...also],
    configure: read,
    tensors: (checkpoint) => namesOf(checkpoint, scheme),
    open: (weights) => new Transformer(read(weights.checkpoint.config), weights),
  };
}
