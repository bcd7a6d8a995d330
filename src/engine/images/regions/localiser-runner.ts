import { Graph, type Spent, sym } from "../../../graph/index.ts";
import {
  BOX_NUMBERS,
  boxCells,
  boxNumbers,
  cellOrder,
  type Localiser,
} from "../../../models/own-networks/localiser.ts";
import type { Pixels } from "../pixels/pixels.ts";
import { type ImageProcessor, normalisePixels, sized } from "../pixels/processor.ts";
import type { Box } from "./box.ts";
import { FloatRunner, type Floats } from "./runner.ts";

/** Regions of one picture, as the localiser's outputs. */
export interface LocalisedRegions {
  /** [regions, hidden] */
  readonly tokens: Float32Array;
  /** Mask logits, row by row of the whole picture: [regions, side, side], with `side` cells per side. */
  readonly masks: Float32Array;
  /** The predicted fit of each box to an object, from 0 to 1. */
  readonly fits: Float32Array;
}

/** Traces a localiser's features of one picture: `pixels` [1, 3, side, side] → `features`. */
function traceFeatures(localiser: Localiser): Graph {
  const g = new Graph();
  const { imageSize, channels } = localiser.config.image;
  g.output("features", localiser.features(g, g.input("pixels", "f32", [1, channels, imageSize, imageSize])));
  return g;
}

/** Traces a localiser's regions of one picture: `features`, `boxes`, `covered` → `tokens`, `masks`, `fits`. */
function traceRegions(localiser: Localiser): Graph {
  const g = new Graph();
  const features = g.input("features", "f32", [1, localiser.patches, localiser.config.image.hidden]);
  const boxes = g.input("boxes", "f32", [1, sym("regions"), BOX_NUMBERS]);
  const covered = g.input("covered", "f32", [1, sym("regions"), localiser.patches * localiser.config.cells ** 2]);
  const outputs = localiser.regions(g, features, boxes, covered);
  for (const [name, tensor] of Object.entries(outputs)) g.output(name, tensor);
  return g;
}

/** A localiser ready to run: once per picture, then on any number of its regions. */
export class LocaliserRunner implements Disposable {
  private constructor(
    readonly localiser: Localiser,
    private readonly pictures: FloatRunner,
    private readonly boxes: FloatRunner,
  ) {}

  static async compile(localiser: Localiser): Promise<LocaliserRunner> {
    const pictures = await FloatRunner.compile(traceFeatures(localiser));
    return new LocaliserRunner(localiser, pictures, await FloatRunner.compile(traceRegions(localiser)));
  }

  /** The costs of a picture's features, and of regions. */
  get pictureCost(): Spent {
    return this.pictures.cost({});
  }

  regionsCost(regions: number): Spent {
    return this.boxes.cost({ regions });
  }

  /** The number of mask cells along a picture's side. */
  get side(): number {
    const { imageSize, patchSize } = this.localiser.config.image;
    return (imageSize / patchSize) * this.localiser.config.cells;
  }

  /** Computes the features of a picture. */
  async look(picture: Pixels): Promise<Floats> {
    const { imageSize, channels, hidden } = this.localiser.config.image;
    const processor = squareProcessor(imageSize);
    const values = normalisePixels(await sized(picture, processor), processor);
    const shape = [1, this.localiser.patches, hidden];
    const pixels = { shape: [1, channels, imageSize, imageSize], values };
    const { features } = await this.pictures.run({ pixels }, { features: shape });
    return { shape, values: features };
  }

  async regions(features: Floats, boxes: readonly Box[]): Promise<LocalisedRegions> {
    const { hidden } = this.localiser.config.image;
    const count = boxes.length;
    const values = Float32Array.from(boxes.flatMap((box) => boxNumbers(box)));
    const covered = new Float32Array(count * this.side ** 2);
    for (const [i, box] of boxes.entries())
      covered.set(boxCells(box, this.side, this.localiser.config.cells), i * this.side ** 2);
    const outputs = await this.boxes.run(
      {
        features,
        boxes: { shape: [1, count, BOX_NUMBERS], values },
        covered: { shape: [1, count, this.side ** 2], values: covered },
      },
      { tokens: [1, count, hidden], masks: [1, count, this.side ** 2], fits: [1, count] },
    );
    return {
      tokens: outputs.tokens,
      masks: this.#inRows(outputs.masks, count),
      fits: outputs.fits.map((logit) => 1 / (1 + Math.exp(-logit))),
    };
  }

  /** Rearranges masks from patch-by-patch order to the row order of the picture. */
  #inRows(masks: Float32Array, count: number): Float32Array {
    const { side } = this;
    const order = cellOrder(side, this.localiser.config.cells);
    const rows = new Float32Array(masks.length);
    for (let i = 0; i < count * side * side; i++) {
      const region = Math.floor(i / (side * side));
      rows[region * side * side + order[i % (side * side)]!] = masks[i]!;
    }
    return rows;
  }

  [Symbol.dispose](): void {
    this.pictures[Symbol.dispose]();
    this.boxes[Symbol.dispose]();
  }
}

/** Scales pictures to a square, with pixels between −1 and 1. */
export const squareProcessor = (side: number): ImageProcessor => ({
  resize: { width: side, height: side },
  ...{ filter: "bicubic", width: side, height: side, rescale: 1 / 255 },
  ...{ mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] },
});
