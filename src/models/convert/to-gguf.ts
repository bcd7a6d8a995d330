import path from "node:path";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import { type Field, fieldOf } from "../../weights/gguf/fields.ts";
import { type GgmlType, isDequantizable } from "../../weights/gguf/index.ts";
import type { WrittenType } from "../../weights/gguf/quantize.ts";
import { fileType, storedType } from "../../weights/gguf/stored-type.ts";
import { plannedGguf, type WritableGguf } from "../../weights/gguf/write.ts";
import { asStored } from "../../weights/prepared/stored.ts";
import type { WritableTensor } from "../../weights/safetensors/write.ts";
import { ggufTokenizer } from "../../weights/tokenizer/gguf-fields.ts";
import type { TransformerArchitecture } from "../architecture.ts";
import { Fields } from "../config/fields.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { layoutOf } from "../tensors/adapter-layout.ts";
import { architectureNamed, type HubCheckpoint, type Pair, pairOf } from "./convertible.ts";
import { modelTensors } from "./model-tensors.ts";
import { gathered } from "./permuted.ts";
import { RecordedFields } from "./recorded-fields.ts";
import { ggufRope } from "./rope-settings.ts";
import { differingField } from "./same-config.ts";

/**
 * Converts a checkpoint to a GGUF with matrices of one type. A GGUF keeps its metadata; a Hugging Face folder gets
 * llama.cpp's names, keys and row orders. Tensors are read on demand.
 * @throws UserError for an architecture, a setting or a tokenizer that cannot be converted
 */
export async function asGguf(checkpoint: Checkpoint, name: string, type: WrittenType): Promise<WritableGguf> {
  const { config } = checkpoint;
  return config.kind === "gguf"
    ? requantised(checkpoint, config, type)
    : converted({ ...checkpoint, config }, name, type);
}

/** Keys that describe a file's form and quantisation, which do not apply to the new file. */
const OF_FILE = /^(split\.|quantize\.|general\.(alignment|file_type|quantization_version)$)/;

function requantised(
  checkpoint: Checkpoint,
  { metadata }: Extract<ConfigSource, { kind: "gguf" }>,
  type: WrittenType,
): WritableGguf {
  const unread = [...checkpoint.tensors.values()].find((tensor) => !isDequantizable(tensor.type as GgmlType));
  if (unread)
    throw new UserError(
      `${checkpoint.path}: tensor "${unread.name}" is of type ${unread.type}, which is not supported`,
    );
  const ofModel = [...metadata.keys()].filter((key) => !OF_FILE.test(key));
  const tensors = [...checkpoint.tensors.values()].map(
    (tensor) => [tensor.name, { shape: tensor.shape, values: () => checkpoint.floats(tensor) }] as const,
  );
  return {
    metadata: new Map([...ofModel.map((key) => [key, fieldOf(metadata, key)!] as const), ...ofFile(type)]),
    tensors: typed(tensors, type),
  };
}

const ofFile = (type: WrittenType): [string, Field][] => [
  ["general.file_type", ["uint32", fileType[type]]],
  ["general.quantization_version", ["uint32", 2]],
];

const typed = (tensors: Iterable<readonly [string, WritableTensor]>, type: WrittenType): WritableGguf["tensors"] =>
  new Map(
    [...tensors].map(([name, { shape, values }]) => [name, { shape, type: storedType(name, shape, type), values }]),
  );

async function converted(hub: HubCheckpoint, name: string, type: WrittenType): Promise<WritableGguf> {
  const { pair, own, gguf } = await architecturesOf(hub);
  const { decoder, tensors } = modelTensors(own, hub);
  const settings = { before: decoder.config as TransformerConfig, has: (tensor: string) => tensors.has(tensor) };
  const { fields, divisors, config, read } = ggufSettings(hub, settings, pair, own, gguf);
  const metadata = new Map<string, Field>([
    ["general.architecture", ["string", pair.gguf]],
    ["general.type", ["string", "model"]],
    ["general.name", ["string", name]],
    ...fields,
    ...ggufTokenizer(path.dirname(hub.config.path), read.vocabulary),
    ...ofFile(type),
  ]);
  const { row } = layoutOf({ config }, gguf, { config: read });
  const inOrder = [...tensors].map(([canonical, tensor]) => {
    const module = canonical.replace(/\.(weight|bias)$/, "");
    return [canonical, row(module, 1) === 1 ? tensor : gathered(tensor, (i) => row(module, i))] as const;
  });
  const names = gguf.tensors({ ...hub, config, architecture: pair.gguf, tensors: new Map() });
  return { metadata, tensors: typed(asStored(names, new Map([...inOrder, ...divisors])), type) };
}

/** The architecture of a Hugging Face checkpoint, and of GGUFs made from it. */
export async function architecturesOf(hub: Checkpoint) {
  const pair = pairOf(hub);
  const [own, gguf] = await Promise.all([architectureNamed(pair.type), architectureNamed(pair.gguf)]);
  return { pair, own, gguf };
}

/** A checkpoint's settings as its architecture reads them, and a test for tensors by canonical name. */
interface ReadSettings {
  readonly before: TransformerConfig;
  has(tensor: string): boolean;
}

/**
 * Converts a Hugging Face checkpoint's settings to a GGUF's, and reads them with that GGUF's architecture.
 * @throws UserError if a GGUF cannot hold a setting
 */
export function ggufSettings(
  hub: HubCheckpoint,
  { before, has }: ReadSettings,
  { gguf: name }: Pair,
  own: TransformerArchitecture,
  gguf: TransformerArchitecture,
) {
  const { fields: rope, divisors } = ggufRope(hub.path, before);
  const fields: [string, Field][] = [
    ...[...recordedOf(own, name, hub, before), ...rope].map(([key, field]): [string, Field] => [
      `${name}.${key}`,
      field,
    ]),
    [`${name}.vocab_size`, ["uint32", before.vocabulary]],
  ];
  // An architecture with several names reads from the file which name applies.
  const planned = new Map<string, Field>([["general.architecture", ["string", name]], ...fields]);
  const { metadata } = plannedGguf(hub.path, { metadata: planned, tensors: new Map() });
  const config = { kind: "gguf", path: hub.path, metadata } as const;
  const read = gguf.traits.configure(new Fields(config, name, gguf.traits.keys, gguf.traits.defaults), has);
  const differing = differingField(before, read, divisors.length > 0);
  if (differing !== undefined)
    throw new UserError(`${hub.path}: the model's ${differing} cannot be written as a GGUF of "${name}"`);
  return { fields, divisors, config, read };
}

/** The settings that the architecture reads, under GGUF's keys without the architecture's name. */
function recordedOf(
  { traits }: TransformerArchitecture,
  gguf: string,
  { config, tensors }: HubCheckpoint,
  { experts, ffn }: TransformerConfig,
): [string, Field][] {
  const fields = new RecordedFields(config, gguf, traits.keys, traits.defaults);
  traits.configure(fields, (tensor) => tensors.has(tensor));
  const { recorded } = fields;
  const length = recorded.get("attention.key_length");
  if (length !== undefined) recorded.set("attention.value_length", length);
  // Some architectures read both widths from one key.
  recorded.set("feed_forward_length", ffn);
  if (experts) recorded.set("expert_feed_forward_length", experts.width);
  if (experts && typeof experts.gates === "object") recorded.set("expert_gating_func", GATING[experts.gates.score]);
  return [...recorded].map(([key, value]) => [key, fieldFor(key, value)]);
}

/** GGUF's codes for the functions that turn scores into gates. */
const GATING = { softmax: 1, sigmoid: 2 };

/** Keys whose values are floats in a GGUF, even if they are integers. */
const FLOAT = /epsilon|scale$|softcapping|freq_base|factor/;

function fieldFor(key: string, value: unknown): Field {
  if (typeof value === "boolean") return ["bool", value];
  return [FLOAT.test(key) || !Number.isInteger(value) ? "float32" : "uint32", Number(value)];
}
