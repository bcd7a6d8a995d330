import sharp from "sharp";
import { evalCost, Graph, type Spent } from "../../../src/graph/index.ts";
import { resolveModel } from "../../../src/index-lab.ts";
import { openImages } from "../../../src/models/images/open-vision.ts";
import { prepare } from "../../../src/models/programs/programs.ts";
import { Buffer } from "../../../src/runtime/buffer.ts";
import { Program } from "../../../src/runtime/program.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { preparedFolder } from "../../../src/weights/sources/index.ts";

/** The mean and the deviation of pixels by channel, as DINOv2 was trained. */
const [MEAN, DEVIATION] = [
  [0.485, 0.456, 0.406],
  [0.229, 0.224, 0.225],
];
const CHANNELS = 3;

/** A part of a picture: left, top, right and bottom edge in pixels. */
export type Part = readonly [number, number, number, number];

/** DINOv2 that sees pictures of one size: all of its tokens, the first of them the whole picture's. */
export class Tower implements Disposable {
  readonly #pixels: Buffer;
  readonly #tokens: Buffer;

  private constructor(
    private readonly program: Program,
    private readonly side: number,
    readonly tokens: number,
    readonly hidden: number,
  ) {
    this.#pixels = new Buffer("f32", CHANNELS * side ** 2);
    this.#tokens = new Buffer("f32", tokens * hidden);
  }

  /** `side`: pixels of a picture's side, a multiple of a patch's; `normed`: tokens after the last norm. */
  static async open(name: string, side: number, normed = true): Promise<Tower> {
    const source = await resolveModel(name);
    const { model, weights } = await openImages(openCheckpoint(source.path), preparedFolder(source.path), "f32", side);
    const { image } = model;
    const [graph] = prepare(weights, () => {
      const g = new Graph();
      const pixels = g.input("pixels", "f32", [1, CHANNELS, side, side]);
      g.output("tokens", normed ? image.hidden(g, pixels) : image.stream(g, pixels, image.config.layers));
      return [g];
    });
    return new Tower(await Program.compile(graph!), side, image.tokens, image.config.hidden);
  }

  get cost(): Spent {
    return evalCost(this.program.cost, {});
  }

  /** The tokens of a picture, or of a part of it, [tokens, hidden]. */
  async see(picture: string, part?: Part): Promise<Float32Array> {
    const { side, tokens, hidden } = this;
    const whole = sharp(picture).removeAlpha();
    const [left, top, right, bottom] = part ?? [0, 0, 0, 0];
    const seen = part ? whole.extract({ left, top, width: right - left, height: bottom - top }) : whole;
    const { data } = await seen.resize(side, side, { fit: "fill" }).raw().toBuffer({ resolveWithObject: true });
    const pixels = new Float32Array(this.#pixels.memory);
    for (let at = 0; at < side ** 2; at++)
      for (let channel = 0; channel < CHANNELS; channel++)
        pixels[channel * side ** 2 + at] =
          (data[at * CHANNELS + channel]! / 255 - MEAN[channel]!) / DEVIATION[channel]!;
    const input = this.#pixels.view([1, CHANNELS, side, side]);
    await this.program.bind({ pixels: input, tokens: this.#tokens.view([1, tokens, hidden]) }).run();
    return new Float32Array(this.#tokens.memory).slice();
  }

  [Symbol.dispose](): void {
    for (const held of [this.#pixels, this.#tokens, this.program]) held[Symbol.dispose]();
  }
}
