import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { Part } from "../../weights/prepared/part.ts";
import { unexpected } from "../../weights/prepared/review.ts";
import type { WritableTensor } from "../../weights/safetensors/write.ts";
import type { TransformerArchitecture } from "../architecture.ts";
import { CountedWeights } from "../decoder/count-parameters.ts";
import type { Decoder } from "../decoder/decoder.ts";
import { traceDense } from "../programs/segments.ts";

/** A model's tensors by canonical name, each read on demand. */
interface ModelTensors {
  readonly decoder: Decoder;
  readonly tensors: ReadonlyMap<string, WritableTensor>;
}

/** A checkpoint's tensors in the model's form. @throws UserError if one is misshapen or unexpected */
export function modelTensors(architecture: TransformerArchitecture, checkpoint: Checkpoint): ModelTensors {
  const names = architecture.tensors(checkpoint);
  const weights = new CheckpointShapes(checkpoint, names);
  const decoder = architecture.open(weights);
  traceDense(decoder);
  const parts = [...weights.shapes].map(([name, shape]) => [name, new Part(checkpoint, names, name, shape)] as const);
  for (const [, { name, problem }] of parts)
    if (problem !== undefined) throw new UserError(`${checkpoint.path}: tensor "${name}" ${problem}`);
  const used = new Set([...parts.map(([, { name }]) => name), ...ROPE, ...architecture.unread(checkpoint)]);
  const [other] = unexpected(checkpoint.tensors.keys(), used);
  if (other !== undefined) throw new UserError(`${checkpoint.path}: tensor "${other}" is unexpected`);
  return {
    decoder,
    tensors: new Map(parts.map(([name, part]) => [name, { shape: part.shape, values: () => part.floats() }])),
  };
}

/** Divisors of rotary frequencies: tensors in a GGUF, numbers in a config.json. */
export const ROPE = ["rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"];

class CheckpointShapes extends CountedWeights {
  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly names: Names,
  ) {
    super(checkpoint.config, (name) => new Part(checkpoint, names, name).exists);
  }

  override values(name: string): Float32Array | undefined {
    const part = new Part(this.checkpoint, this.names, name);
    return ROPE.includes(name) && part.exists ? part.floats() : undefined;
  }
}
