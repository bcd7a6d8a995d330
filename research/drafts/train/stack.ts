import { type Graph, matmulTransposed, type Tensor } from "../../../src/graph/index.ts";
import type { Batch } from "../../../src/train/data/batch.ts";
import { trainOptions } from "../../../src/train/options.ts";
import type { ParameterStore } from "../../../src/train/step/parameters.ts";
import { newSubject } from "../../../src/train/subject/subject.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { safetensorsFile } from "../../../src/weights/safetensors/read.ts";

/** The draft's sizes: one layer of Qwen2.5-Coder 0.5B with a narrower feed-forward, and a head of its commonest tokens. */
export const HIDDEN = 896;
export const VOCABULARY = 8192;
export const architecture = {
  ...{
    model_type: "qwen2",
    hidden_size: HIDDEN,
    num_hidden_layers: 1,
    num_attention_heads: 14,
    num_key_value_heads: 2,
  },
  ...{ intermediate_size: 1792, rms_norm_eps: 1e-6, rope_theta: 1e6, max_position_embeddings: 32768 },
  tie_word_embeddings: false,
};

/** Joins a token's vector and the model's stream before it: [hidden, 2·hidden]. */
export const JOIN = "draft.join.weight";
/** The model's own. */
export const FROZEN = ["output_norm.weight", "output.weight"];

/** Rows whose places have two vectors: the next token's, and the model's stream, both of root mean square 1. */
export interface DraftBatch extends Batch {
  /** [rows, tokens, 2·hidden] */
  readonly joined: Float32Array<ArrayBuffer>;
}

/** The draft as it is trained: a decoder of one layer, whose stream begins with joined vectors. */
export async function draftTrainee() {
  using subject = await newSubject(trainOptions.parse({ architecture, data: "none" }), VOCABULARY);
  const { stack, weights, objective } = subject.trainee;
  const join = (g: Graph, joined: Tensor): Tensor => {
    const matrix = weights.matrix(g, 2 * HIDDEN, { [JOIN]: HIDDEN });
    if (matrix.kind !== "float32 rows") throw new Error("a trained matrix is not held as rows");
    return matmulTransposed(joined, matrix.weight);
  };
  const embed = (g: Graph, { rows, tokens }: Pick<Batch, "rows" | "tokens">): Tensor =>
    join(g, g.input("joined", "f32", [rows, tokens, 2 * HIDDEN]));
  const inputs = (batch: Batch) => {
    const { documents } = stack.inputs(batch);
    const { rows, tokens, joined } = batch as DraftBatch;
    return {
      ...(documents && { documents }),
      joined: { dtype: "f32" as const, shape: [rows, tokens, 2 * HIDDEN], values: joined },
    };
  };
  return {
    ...{ objective, weights, join },
    stack: {
      ...{ layers: 1, hidden: HIDDEN, context: stack.context, embed, inputs },
      stream: stack.stream.bind(stack),
      layer: stack.layer.bind(stack),
    },
    trained: (name: string) => !FROZEN.includes(name),
  };
}
export type DraftTrainee = Awaited<ReturnType<typeof draftTrainee>>;

/** Fills a store with what a run has written, or with the weights of a GGUF made of it. */
export function load(store: ParameterStore, file: string): void {
  const { tensors, floats } = file.endsWith(".gguf") ? openCheckpoint(file) : safetensorsFile(file);
  for (const parameter of store.parameters) {
    const found = tensors.get(parameter.name);
    if (found) store.valuesOf(parameter).set(floats(found));
  }
}
