import { UserError } from "../../util/errors.ts";
import { normals } from "../../util/normals.ts";
import { seededRandom } from "../../util/random.ts";
import type { StoredTensor } from "../../weights/checkpoint.ts";
import type { UpcycleOptions } from "../options.ts";
import { DEVIATION } from "../subject/initial.ts";
import type { HuggingFaceCheckpoint } from "./wider-checkpoint.ts";

/** The mixture-of-experts architecture that a dense architecture becomes. */
interface Mixture {
  readonly model_type: string;
  readonly router: string;
  /** One expert's matrices, in the order of MATRICES. */
  matrices(expert: number): readonly [gate: string, up: string, down: string];
  config(options: UpcycleOptions, width: unknown): Readonly<Record<string, unknown>>;
}

const MATRICES = ["mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight"] as const;

const mixtral: Mixture = {
  model_type: "mixtral",
  router: "block_sparse_moe.gate.weight",
  matrices: (expert) => {
    const name = (part: string) => `block_sparse_moe.experts.${expert}.${part}.weight`;
    return [name("w1"), name("w3"), name("w2")];
  },
  config: ({ experts, active }) => ({ num_local_experts: experts, num_experts_per_tok: active }),
};

const qwen3Moe: Mixture = {
  model_type: "qwen3_moe",
  router: "mlp.gate.weight",
  matrices: (expert) => {
    const name = (part: string) => `mlp.experts.${expert}.${part}_proj.weight`;
    return [name("gate"), name("up"), name("down")];
  },
  config: ({ experts, active }, width) => ({
    ...{ num_experts: experts, num_experts_per_tok: active, moe_intermediate_size: width, norm_topk_prob: true },
    ...{ decoder_sparse_step: 1, mlp_only_layers: [] },
  }),
};

const mixtures: Readonly<Record<string, Mixture>> = { llama: mixtral, mistral: mixtral, qwen3: qwen3Moe };

/**
 * A dense checkpoint as a mixture of experts (sparse upcycling, Komatsuzaki et al., arXiv 2212.05055): each
 * feed-forward becomes `experts` copies with a little noise, and its router gets random weights, determined by the
 * seed. Gates sum to 1, so that without noise the mixture's outputs equal the dense model's.
 * @throws UserError for an architecture without such a mixture, and for feed-forwards with biases
 */
export function upcycledCheckpoint(
  base: HuggingFaceCheckpoint,
  options: UpcycleOptions,
  seed: number,
): HuggingFaceCheckpoint {
  const mixture = mixtures[base.architecture];
  if (!mixture)
    throw new UserError(
      `upcycle: ${base.architecture} cannot become a mixture of experts, expected ${Object.keys(mixtures).join(", ")}`,
      2,
    );
  if (base.config.config["mlp_bias"] === true)
    throw new UserError(`upcycle: ${base.path} has biases in its feed-forwards, but experts have none`, 2);
  const added = newTensors(base, mixture, options, seed);
  const dense = [...base.tensors].filter(([name]) => matrixAt(name) < 0);
  const { config } = base.config;
  const own = { model_type: mixture.model_type, ...mixture.config(options, config["intermediate_size"]) };
  return {
    ...base,
    architecture: mixture.model_type,
    config: { ...base.config, config: { ...config, ...own, architectures: undefined } },
    tensors: new Map([...dense, ...[...added].map(([name, { tensor }]) => [name, tensor] as const)]),
    floats(tensor, rows) {
      const found = added.get(tensor.name);
      if (!found) return base.floats(tensor, rows);
      const [width, all] = [tensor.shape[1]!, found.values()];
      return rows ? all.slice(rows[0] * width, rows[1] * width) : all;
    },
  };
}

const matrixAt = (name: string): number => MATRICES.findIndex((matrix) => name.endsWith(matrix));

/** A tensor that the dense checkpoint lacks. */
interface NewTensor {
  readonly tensor: StoredTensor;
  values(): Float32Array<ArrayBuffer>;
}

/** Values of the experts' matrices and the routers. Each tensor has its own seed, so they can be read in any order. */
function newTensors(base: HuggingFaceCheckpoint, mixture: Mixture, options: UpcycleOptions, seed: number) {
  const tensors = new Map<string, NewTensor>();
  const make = (tensor: StoredTensor, values: (normal: () => number) => Float32Array<ArrayBuffer>): void => {
    const own = seed + 2 ** 32 * (tensors.size + 1);
    tensors.set(tensor.name, { tensor, values: () => values(normals(seededRandom(own))) });
  };
  for (const [name, dense] of base.tensors) {
    const at = matrixAt(name);
    if (at < 0) continue;
    const layer = name.slice(0, -MATRICES[at]!.length);
    for (let expert = 0; expert < options.experts; expert++)
      make({ ...dense, name: layer + mixture.matrices(expert)[at]! }, (normal) =>
        noised(base.floats(dense), options.noise, normal),
      );
    if (at > 0) continue;
    const shape = [options.experts, dense.shape[1]!];
    const router = { ...dense, name: layer + mixture.router, shape, bytes: 4 * shape[0]! * shape[1]! };
    make(router, (normal) => new Float32Array(shape[0]! * shape[1]!).map(() => DEVIATION * normal()));
  }
  return tensors;
}

function noised(values: Float32Array<ArrayBuffer>, share: number, normal: () => number): Float32Array<ArrayBuffer> {
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
  return values.map((v) => v + share * deviation * normal());
}
