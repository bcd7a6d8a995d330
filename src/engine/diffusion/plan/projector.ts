import { evalCost, Graph, type Spent } from "../../../graph/index.ts";
import { projected } from "../../../models/own-networks/projector.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { sha256Of } from "../../../util/hash.ts";
import { PlainWeights } from "../../../weights/plain-weights.ts";
import { withFile } from "../../../weights/read-file.ts";
import { parseHeader } from "../../../weights/safetensors/header.ts";
import type { EmbeddedSpan } from "../../decode/run/spans.ts";
import { type ProjectorFile, projectorTensors, readProjector } from "./projector-file.ts";

/** A trained projector from latent vectors to rows of the executor's residual stream. */
export class Projector implements Disposable {
  private constructor(
    readonly metadata: ProjectorFile,
    private readonly program: Program,
  ) {}

  /** Opens a folder's projector. @throws UserError if a file is missing or damaged */
  static async open(folder: string): Promise<Projector> {
    const metadata = readProjector(folder);
    const file = projectorTensors(folder);
    const weights = new PlainWeights({ kind: "huggingface", path: file, config: {} }, withFile(file, parseHeader));
    const g = new Graph();
    g.output(
      "z",
      projected(g, weights, g.input("h", "f32", [1, metadata.tokens, metadata.sizes.from]), metadata.sizes),
    );
    return new Projector(metadata, await Program.compile(g, "caller"));
  }

  get cost(): Spent {
    return evalCost(this.program.cost, {});
  }

  /** The rows for `states` [tokens, from] in the executor's prompt. */
  async span(states: Float32Array): Promise<EmbeddedSpan> {
    const { tokens, sizes } = this.metadata;
    using h = new Buffer("f32", states.length);
    using z = new Buffer("f32", tokens * sizes.to);
    new Float32Array(h.memory).set(states);
    await this.program.bind({ h: h.view([1, tokens, sizes.from]), z: z.view([1, tokens, sizes.to]) }).run();
    return spanOf(new Float32Array(z.memory).slice());
  }

  [Symbol.dispose](): void {
    this.program[Symbol.dispose]();
  }
}

/** Rows of the residual stream as part of a prompt. */
export const spanOf = (embeddings: Float32Array): EmbeddedSpan => ({
  embeddings,
  contentHash: sha256Of(new Uint8Array(embeddings.buffer)),
});
