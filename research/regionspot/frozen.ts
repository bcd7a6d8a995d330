import path from "node:path";
import { withFile } from "../../src/weights/read-file.ts";
import { parseHeader } from "../../src/weights/safetensors/header.ts";
import { readFloats } from "../../src/weights/safetensors/read.ts";

/** The end of a CLIP's image tower: the norm after its tokens, and the projection into the text space. */
export class Frozen {
  readonly #gain: Float32Array;
  readonly #shift: Float32Array;
  readonly #projection: Float32Array;

  /** `folder`: the model's. */
  constructor(folder: string) {
    const tensors = withFile(path.join(folder, "model.safetensors"), parseHeader);
    const floats = (name: string) => readFloats(tensors.get(name)!);
    this.#gain = floats("vision_model.post_layernorm.weight");
    this.#shift = floats("vision_model.post_layernorm.bias");
    this.#projection = floats("visual_projection.weight");
  }

  /** A token [hidden] as a vector of length 1. */
  project(token: Float32Array): Float32Array {
    const hidden = token.length;
    const mean = token.reduce((sum, v) => sum + v, 0) / hidden;
    const deviation = Math.sqrt(token.reduce((sum, v) => sum + (v - mean) ** 2, 0) / hidden + 1e-5);
    const normed = token.map((v, i) => ((v - mean) / deviation) * this.#gain[i]! + this.#shift[i]!);
    const width = this.#projection.length / hidden;
    const vector = Float32Array.from({ length: width }, (_, row) =>
      normed.reduce((sum, v, i) => sum + v * this.#projection[row * hidden + i]!, 0),
    );
    const length = Math.hypot(...vector);
    return vector.map((v) => v / length);
  }
}
