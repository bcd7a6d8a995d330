import path from "node:path";
import { z } from "zod";
import { type DenseLayer, denseName } from "../../../models/encoder/encoder-graphs.ts";
import { UserError } from "../../../util/errors.ts";
import type { Checkpoint, StoredTensor } from "../../../weights/checkpoint.ts";
import { readJson } from "../../../weights/json-file.ts";
import { safetensorsFile } from "../../../weights/safetensors/read.ts";

/** A linear layer of sentence-transformers behind a model. */
export interface DenseModule extends DenseLayer {
  /** The safetensors with its weights; undefined: they are the model's own `linear.weight`. */
  readonly file: string | undefined;
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
  if (activation) return { file: path.join(folder, "model.safetensors"), outputs, activation };
  throw new UserError(`${file}: the activation "${name}" is not supported, expected Identity or Tanh`);
}

/** The checkpoint with the weights of linear layers behind it, under the names that the graphs ask for. */
export function withDense(checkpoint: Checkpoint, modules: readonly DenseModule[]): Checkpoint {
  if (modules.length === 0) return checkpoint;
  const layers = new Map<string, { tensor: StoredTensor } & Pick<Checkpoint, "floats">>();
  for (const [nth, { file }] of modules.entries()) {
    const source = file === undefined ? checkpoint : safetensorsFile(file);
    for (const kind of ["weight", "bias"]) {
      const tensor = source.tensors.get(`linear.${kind}`);
      if (!tensor) continue;
      const floats: Checkpoint["floats"] = ({ shape }, rows) => source.floats({ ...tensor, shape }, rows);
      layers.set(`${denseName(nth)}.${kind}`, { tensor, floats });
    }
  }
  const added = [...layers].map(([name, { tensor }]) => [name, { ...tensor, name }] as const);
  return {
    ...checkpoint,
    files: [...checkpoint.files, ...modules.flatMap(({ file }) => file ?? [])],
    tensors: new Map([...checkpoint.tensors, ...added]),
    floats: (tensor, rows) => (layers.get(tensor.name) ?? checkpoint).floats(tensor, rows),
  };
}
