import type { ImageTextModel } from "../../engine/encoders/image-text/image-text-model.ts";
import { bridgeFile, bridgeJson, checkBridge, openBridge } from "../../engine/images/regions/bridge-file.ts";
import { type LabelVectors, labelVectors } from "../../engine/images/regions/labels.ts";
import { localiserTensors, openLocaliser } from "../../engine/images/regions/localiser-file.ts";
import { LocaliserRunner } from "../../engine/images/regions/localiser-runner.ts";
import { FloatRunner } from "../../engine/images/regions/runner.ts";
import { Graph, type Spent, sym } from "../../graph/index.ts";
import type { FeatureLayer } from "../../models/images/image-text-graphs.ts";
import type { BridgeConfig, RegionBridge } from "../../models/own-networks/region-bridge.ts";
import { UserError } from "../../util/errors.ts";
import { bundledFolders } from "../../util/model-folders.ts";
import { readJson } from "../../weights/json-file.ts";
import { modelHash } from "../../weights/sources/index.ts";
import { contentHash } from "../../weights/sources/model-hash.ts";

/** The bridge's results for regions. */
export interface RegionVectors {
  /** [regions, width], each of length 1. */
  readonly vectors: Float32Array;
  /** [heads, regions, image tokens] */
  readonly attention: Float32Array;
  readonly cost: Spent;
}

/** Traces a bridge for one picture: `tokens` [1, regions, token], `image` → `vectors`, `attention`. */
function traceBridge(bridge: RegionBridge, imageTokens: number): Graph {
  const g = new Graph();
  const { token, hidden } = bridge.config;
  const tokens = g.input("tokens", "f32", [1, sym("regions"), token]);
  const outputs = bridge.vectors(g, tokens, g.input("image", "f32", [1, imageTokens, hidden]));
  g.output("vectors", outputs.vectors);
  g.output("attention", outputs.attention);
  return g;
}

/** @throws UserError if the package ships no localiser and bridge for the model */
function bundledFor(name: string, sha256: string): string {
  const found = bundledFolders("recognize", "bridge.json").find(
    (folder) => readJson(bridgeJson(folder), bridgeFile, "a bridge").model.sha256 === sha256,
  );
  if (found !== undefined) return found;
  throw new UserError(
    `${name} cannot name regions: no localiser or bridge; expected clip-tiny, or a folder of \`modicum train regions\``,
  );
}

/** A trained bridge, ready to run on any model's image tokens. */
export class BridgeRunner implements Disposable {
  private constructor(
    private readonly runner: FloatRunner,
    private readonly sizes: BridgeConfig,
  ) {}

  /** Opens a folder's bridge for pictures of this many tokens. @throws UserError if a file is missing or damaged */
  static open(folder: string, imageTokens: number): Promise<BridgeRunner> {
    return BridgeRunner.compile(openBridge(folder).bridge, imageTokens);
  }

  static async compile(bridge: RegionBridge, imageTokens: number): Promise<BridgeRunner> {
    return new BridgeRunner(await FloatRunner.compile(traceBridge(bridge, imageTokens)), bridge.config);
  }

  /** Vectors of regions from their tokens [regions, token] and the image's tokens [image tokens, hidden]. */
  async vectors(tokens: Float32Array, image: Float32Array): Promise<RegionVectors> {
    const { token, hidden, width, heads } = this.sizes;
    const regions = tokens.length / token;
    const imageTokens = image.length / hidden;
    const { vectors, attention } = await this.runner.run(
      {
        tokens: { shape: [1, regions, token], values: tokens },
        image: { shape: [1, imageTokens, hidden], values: image },
      },
      { vectors: [1, regions, width], attention: [1, heads, regions, imageTokens] },
    );
    return { vectors, attention, cost: this.runner.cost({ regions }) };
  }

  [Symbol.dispose](): void {
    this.runner[Symbol.dispose]();
  }
}

/** A localiser, an image–text model and the bridge between them, ready to run. */
export class Recognizer implements Disposable {
  #labels: { readonly key: string; readonly values: Float32Array } | undefined;

  private constructor(
    readonly model: ImageTextModel,
    readonly localiser: LocaliserRunner,
    readonly bridge: BridgeRunner,
    /** The model's layer that supplies the bridge's tokens. */
    readonly featureLayer: FeatureLayer,
    /** The factor from cosines to logits. */
    readonly scale: number,
  ) {}

  /**
   * Opens a localiser and a bridge for a loaded model: a folder's, or the ones that the package ships for the model.
   * @throws UserError if either is missing or damaged, or belongs to another model or localiser
   */
  static async open(model: ImageTextModel, place?: string): Promise<Recognizer> {
    const sha256 = await modelHash(model.source);
    const folder = place ?? bundledFor(model.source.name, sha256);
    const { localiser } = openLocaliser(folder);
    const { bridge, metadata } = openBridge(folder);
    const own = { model: sha256, localiser: await contentHash(localiserTensors(folder)) };
    checkBridge(folder, metadata, own);
    const runner = await LocaliserRunner.compile(localiser);
    const compiled = await BridgeRunner.compile(bridge, model.model.image.tokens);
    return new Recognizer(model, runner, compiled, metadata.featureLayer, metadata.scale);
  }

  /** Vectors of labels; the last call's are cached. */
  async labels(labels: readonly string[]): Promise<LabelVectors> {
    const key = JSON.stringify(labels);
    if (this.#labels?.key === key) return { values: this.#labels.values, cost: { flops: 0, bytes: 0 }, tokens: 0 };
    const vectors = await labelVectors(this.model, labels);
    this.#labels = { key, values: vectors.values };
    return vectors;
  }

  [Symbol.dispose](): void {
    this.localiser[Symbol.dispose]();
    this.bridge[Symbol.dispose]();
  }
}
