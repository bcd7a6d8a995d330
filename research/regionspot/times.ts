import sharp from "sharp";
import { recognize } from "../../src/pipelines/recognize/recognize.ts";
import type { Recognizer } from "../../src/pipelines/recognize/recognizer.ts";
import { median } from "../common/median.ts";

/** The cost of one picture with a number of regions, for the pipeline and for crop-and-classify. */
export interface CostRow {
  readonly regions: number;
  readonly flops: { readonly module: number; readonly crops: number };
  /** The median of rounds, in milliseconds, on one thread of the pool; crops are cut beforehand. */
  readonly ms: { readonly module: number; readonly crops: number };
}

const ROUNDS = 7;

/** Measures pictures of 1 to 64 regions, `side` pixels wide; texts are read before. */
export async function costs(
  recognizer: Recognizer,
  image: string,
  labels: readonly string[],
  side: number,
): Promise<CostRow[]> {
  const at = (place: number) => Math.round((place * side) / 96);
  const rows: CostRow[] = [];
  for (const regions of [1, 2, 4, 8, 16, 32, 64]) {
    const boxes = Array.from({ length: regions }, (_, i) => [
      at(i % 40),
      at((3 * i) % 40),
      at(40 + (i % 40)),
      at(44 + ((3 * i) % 40)),
    ]);
    const crops = await Promise.all(
      boxes.map(([left, top, right, bottom]) =>
        sharp(image)
          .extract({ left: left!, top: top!, width: right! - left!, height: bottom! - top! })
          .png()
          .toBuffer(),
      ),
    );
    const times = { module: [] as number[], crops: [] as number[] };
    let flops = { module: 0, crops: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const began = performance.now();
      const { receipt } = await recognize(recognizer, { image: { image }, boxes, labels });
      const between = performance.now();
      const { usage } = await recognizer.model.embed(crops.map((bytes) => ({ image: bytes })));
      times.module.push(between - began);
      times.crops.push(performance.now() - between);
      flops = { module: receipt.flops.spent, crops: usage.flops.spent };
    }
    rows.push({ regions, flops, ms: { module: median(times.module), crops: median(times.crops) } });
  }
  return rows;
}
