import path from "node:path";
import { z } from "zod";
import { type DenseLayer, denseName } from "../../../models/encoder/encoder-graphs.ts";
import { UserError } from "../../../util/errors.ts";
import type { Checkpoint, StoredTensor } from "../../../weights/checkpoint.ts";
import { readJson } from "../../../weights/json-file.ts";
import { safetensorsFile } from "../../../weights/safetensors/read.ts";

/** One of sentence-transformers' linear layers after a model. */
export interface DenseModule extends DenseLayer {
  /** The safetensors file with the module's weights; undefined if they are among the model's own weights. */
  readonly file: string | undefined;
  /** The name of the module's weights, without `.weight`. */
  readonly name: string;
}

const schema = z.looseObject({
  out_features: z.int().min(1),
  activation_function: z.string().default("torch.nn.modules.activation.Tanh"),
  module_input_name: z.literal("sentence_embedding", "expected sentence_embedding").optional(),
});

const activations: Readonly<Record<string, DenseLayer["activation"]>> = { Identity: "none", Tanh: "tanh" };

/** Reads a module's folder. @throws UserError if it is not supported */
export function readDense(folder: string): DenseModule {
  const file = path.join(folder, "config.json");
  const { out_features: outputs, activation_function: name } = readJson(file, schema, "a linear layer's sizes");
  const activation = activations[name.slice(name.lastIndexOf(".") + 1)];
  if (activation) return { file: path.join(folder, "model.safetensors"), name: "linear", outputs, activation };
  throw new UserError(`${file}: the activation "${name}" is not supported, expected Identity or Tanh`);
}

/** The layers that EmbeddingGemma's GGUFs may have, under llama.cpp's names; they have no biases or activations. */
export const storedDense = ({ config, tensors }: Checkpoint): DenseModule[] =>
  config.kind === "huggingface"
    ? []
    : ["dense_2", "dense_3"].flatMap((name) => {
        const weight = tensors.get(`${name}.weight`);
        return weight ? [{ file: undefined, name, outputs: weight.shape[0]!, activation: "none" as const }] : [];
      });

/** The checkpoint with the weights of the linear layers that follow the model, under the names that graphs use. */
export function withDense(checkpoint: Checkpoint, modules: readonly DenseModule[]): Checkpoint {
  if (modules.length === 0) return checkpoint;
  const layers = new Map<string, { readonly tensor: StoredTensor; readonly source: Source }>();
  for (const [nth, { file, name }] of modules.entries()) {
    const source: Source = file === undefined ? checkpoint : { ...floatsAlone, ...safetensorsFile(file) };
    for (const kind of ["weight", "bias"]) {
      const tensor = source.tensors.get(`${name}.${kind}`);
      if (tensor) layers.set(`${denseName(nth)}.${kind}`, { tensor, source });
    }
  }
  const added = [...layers].map(([name, { tensor }]) => [name, { ...tensor, name }] as const);
  /** Returns the file of a tensor, and the tensor's description in it. */
  const stored = (tensor: StoredTensor): [Source, StoredTensor] => {
    const layer = layers.get(tensor.name);
    return layer ? [layer.source, { ...layer.tensor, shape: tensor.shape }] : [checkpoint, tensor];
  };
  return {
    ...checkpoint,
    files: [...checkpoint.files, ...modules.flatMap(({ file }) => file ?? [])],
    tensors: new Map([...checkpoint.tensors, ...added]),
    floats(tensor, rows) {
      const [source, own] = stored(tensor);
      return source.floats(own, rows);
    },
    form(tensor) {
      const [source, own] = stored(tensor);
      return source.form(own);
    },
    blocks(tensor, bits, rows) {
      const [source, own] = stored(tensor);
      return source.blocks(own, bits, rows);
    },
  };
}

type Source = Pick<Checkpoint, "tensors" | "floats" | "form" | "blocks">;

/** A file that stores no tensor in blocks. */
const floatsAlone: Pick<Checkpoint, "form" | "blocks"> = {
  form: () => undefined,
  blocks: ({ name }) => {
    throw new Error(`${name} is stored as floats`);
  },
};
