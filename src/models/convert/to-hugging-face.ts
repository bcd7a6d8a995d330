import { UserError } from "../../util/errors.ts";
import type { Checkpoint, ConfigSource, StoredTensor } from "../../weights/checkpoint.ts";
import type { JsonObject } from "../../weights/json.ts";
import { asStored } from "../../weights/prepared/stored.ts";
import { fromGguf } from "../../weights/tokenizer/index.ts";
import { headSizeOf } from "../decoder/decoder.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { layoutOf } from "../tensors/adapter-layout.ts";
import { architectureNamed, type HubCheckpoint, type Pair, pairOf } from "./convertible.ts";
import { modelTensors, ROPE } from "./model-tensors.ts";
import { scattered } from "./permuted.ts";
import { RecordedFields } from "./recorded-fields.ts";
import { type Divisors, hubRope } from "./rope-settings.ts";
import { differingField } from "./same-config.ts";

type GgufCheckpoint = Checkpoint & { readonly config: Extract<ConfigSource, { kind: "gguf" }> };

/**
 * Converts a GGUF to its original Hugging Face checkpoint, dequantised: config.json, and the tensors' names, shapes and
 * row orders. Tensors are read on demand.
 * @throws UserError for an architecture or a setting that cannot be converted
 */
export async function asHuggingFace(gguf: Checkpoint): Promise<HubCheckpoint> {
  if (!isGguf(gguf)) return gguf as HubCheckpoint;
  const pair = pairOf(gguf);
  const [own, hub] = await Promise.all([architectureNamed(pair.gguf), architectureNamed(pair.type)]);
  const { decoder, tensors } = modelTensors(own, gguf);
  const before = decoder.config as TransformerConfig;
  const recorded = new RecordedFields(gguf.config, pair.gguf, hub.traits.keys, hub.traits.defaults);
  hub.traits.configure(recorded, (name) => gguf.tensors.has(name));
  const source = (config: JsonObject): HubCheckpoint["config"] => ({ kind: "huggingface", path: gguf.path, config });
  const biasesOf = (config: JsonObject) => hub.configure(source(config)).biases;
  const config = source(withBiases(hubConfig(gguf, pair, before, recorded), biasesOf, gguf.tensors));
  const differing = differingField(
    before,
    hub.configure(config),
    ROPE.some((name) => gguf.tensors.has(name)),
  );
  if (differing !== undefined)
    throw new UserError(`${gguf.path}: the model's ${differing} cannot be written as a config.json of ${pair.type}`);
  const { row } = layoutOf(gguf, own, decoder);
  const inOrder = [...tensors].map(([name, tensor]) => {
    const module = name.replace(/\.(weight|bias)$/, "");
    return [name, row(module, 1) === 1 ? tensor : scattered(tensor, (i) => row(module, i))] as const;
  });
  const names = hub.tensors({ ...gguf, config, architecture: pair.type, tensors: new Map() });
  const all = asStored(names, new Map(inOrder));
  const stored = (name: string): StoredTensor => {
    const { shape } = all.get(name)!;
    return { name, shape, type: "F32", bytes: 4 * shape.reduce((total, size) => total * size, 1) };
  };
  return {
    ...gguf,
    ...{ config, architecture: pair.type, tensors: new Map([...all.keys()].map((name) => [name, stored(name)])) },
    floats({ name, shape: [height = 1] }, rows) {
      const values = all.get(name)!.values() as Float32Array<ArrayBuffer>;
      const width = values.length / height;
      return rows ? values.slice(rows[0] * width, rows[1] * width) : values;
    },
    form: () => undefined,
    blocks: ({ name }) => {
      throw new Error(`${gguf.path}: tensor ${name} is not in blocks`);
    },
  };
}

const isGguf = (checkpoint: Checkpoint): checkpoint is GgufCheckpoint => checkpoint.config.kind === "gguf";

/** The contents of config.json. */
function hubConfig(gguf: GgufCheckpoint, pair: Pair, config: TransformerConfig, recorded: RecordedFields): JsonObject {
  const { tensors } = gguf;
  const divisors: Divisors = (name) => {
    const tensor = tensors.get(`${name}.weight`);
    return tensor && gguf.floats(tensor);
  };
  const { bos, eos, pad } = fromGguf(gguf.config.metadata);
  return {
    architectures: [pair.className],
    model_type: pair.type,
    ...Object.fromEntries(recorded.recorded),
    // A GGUF's count includes unused layers.
    [recorded.hubKey("num_hidden_layers")]: config.layers,
    vocab_size: config.vocabulary,
    ...hubRope(gguf.path, config, headSizeOf(config), divisors),
    ...listsOf(config, recorded.lists),
    tie_word_embeddings: !tensors.has("output.weight"),
    torch_dtype: "float32",
    // Without these ids, transformers uses the defaults of the model's class.
    ...{ bos_token_id: bos ?? null, eos_token_id: eos ?? null, pad_token_id: pad ?? null },
  };
}

/** Sets config.json's flags for biases; a GGUF has no such flags, only the tensors. */
function withBiases(
  config: JsonObject,
  biasesOf: (config: JsonObject) => readonly string[],
  tensors: Checkpoint["tensors"],
): JsonObject {
  const flags = ["attention_bias", "mlp_bias", "use_bias"].filter((flag) => {
    const without = biasesOf({ ...config, [flag]: false });
    const added = biasesOf({ ...config, [flag]: true }).filter((part) => !without.includes(part));
    return added.length > 0 && added.every((part) => tensors.has(`blk.0.${part}.bias`));
  });
  return { ...config, ...Object.fromEntries(flags.map((flag) => [flag, true])) };
}

/** Per-layer lists that the architecture reads. */
function listsOf({ layers, window, rope }: TransformerConfig, lists: ReadonlySet<string>): JsonObject {
  const each = <T>(value: (layer: number) => T) => Array.from({ length: layers }, (_, layer) => value(layer));
  return {
    ...(lists.has("layer_types") && {
      layer_types: each((layer) => (window(layer) === undefined ? "full_attention" : "sliding_attention")),
    }),
    ...(lists.has("no_rope_layers") && { no_rope_layers: each((layer) => Number(rope(layer) !== undefined)) }),
  };
}
