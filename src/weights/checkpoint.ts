import { statSync } from "node:fs";
import type { CodeBits } from "../graph/index.ts";
import { ggufCheckpoint } from "./gguf/checkpoint.ts";
import type { KernelForm, Metadata } from "./gguf/index.ts";
import { asModelFault } from "./model-fault.ts";
import { onnxCheckpoint, onnxFile } from "./onnx/checkpoint.ts";
import type { KernelMatrix } from "./prepared/layout.ts";
import { safetensorsCheckpoint } from "./safetensors/checkpoint.ts";
import { isPickle, pickleError } from "./safetensors/folder.ts";
import { isPipeline, pipelineCheckpoint } from "./safetensors/pipeline.ts";

/**
 * The configuration that an architecture reads, from a GGUF's metadata or from `config.json`. `path` names the file in
 * errors.
 */
export type ConfigSource =
  | { readonly kind: "gguf"; readonly path: string; readonly metadata: Metadata }
  | { readonly kind: "huggingface"; readonly path: string; readonly config: Readonly<Record<string, unknown>> };

/** A tensor in a checkpoint. */
export interface StoredTensor {
  readonly name: string;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  /** The storage type's name in the format, such as `Q4_1` or `BF16`. */
  readonly type: string;
  /** The tensor's length in the file, in bytes. */
  readonly bytes: number;
}

/** Rows `from` to `to` − 1 of a tensor's outermost dimension. */
export type Rows = readonly [from: number, to: number];

/** A published model in any format: configuration, and tensors by name. Weights are read only when needed. */
export interface Checkpoint {
  /** The name of the model in errors. */
  readonly path: string;
  /** All files that determine the model. */
  readonly files: readonly string[];
  /** Identifies a change to the model, such as a merged adapter, whose prepared weights must be separate. */
  readonly variant?: string;
  readonly config: ConfigSource;
  /** `general.architecture` of a GGUF, `model_type` of a `config.json`. */
  readonly architecture: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /**
   * Reads rows of a tensor as float32, row-major; the given shape may be a flattened one. @throws UserError if they
   * cannot be read
   */
  floats(tensor: StoredTensor, rows?: Rows): Float32Array<ArrayBuffer>;
  /** The form that kernels use for a matrix of the tensor's type; undefined for floats. */
  form(tensor: StoredTensor): KernelForm | undefined;
  /** A matrix [rows, cols] in the kernels' form, with at least `bits`-bit codes. @throws UserError if unreadable */
  blocks(tensor: StoredTensor, bits: CodeBits, rows?: Rows): KernelMatrix;
}

/**
 * Opens a model: a GGUF file, a folder with `config.json` and safetensors or an ONNX file, one such file with
 * `config.json` beside it, or a diffusers pipeline folder. Loads no weights.
 * @throws ModelFault if there is no model, or it is malformed
 */
export function openCheckpoint(path: string): Checkpoint {
  try {
    return opened(path);
  } catch (error) {
    throw asModelFault(error);
  }
}

function opened(path: string): Checkpoint {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (isFolder && isPipeline(path)) return pipelineCheckpoint(path);
  const onnx = onnxFile(path);
  if (onnx !== undefined) return onnxCheckpoint(path, onnx);
  if (isFolder || /\.safetensors$/i.test(path)) return safetensorsCheckpoint(path);
  if (isPickle(path)) throw pickleError(path);
  return ggufCheckpoint(path);
}
