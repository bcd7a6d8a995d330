import { BridgeRunner } from "../../../src/pipelines/recognize/recognizer.ts";
import type { RegionScene } from "../../../src/train/methods/regions/scenes.ts";
import { median } from "../../common/median.ts";
import { type Seen, SIDES } from "./features.ts";
import { type Part, Tower } from "./tower.ts";

/** FLOPs and milliseconds of one picture with so many regions. */
export interface CostRow {
  readonly regions: number;
  readonly flops: { readonly bridge: number; readonly crops: number };
  readonly ms: { readonly bridge: number; readonly crops: number };
}

const ROUNDS = 5;
const PART: Part = [56, 56, 168, 168];

/** One look at the picture and the bridge, against a look at each crop and the same network on it; without the localiser. */
export async function costs(
  bridgeFolder: string,
  cropFolder: string,
  { image }: RegionScene,
  { sizes }: Pick<Seen, "sizes">,
): Promise<CostRow[]> {
  const { tokens, hidden, where } = sizes;
  using bridge = await BridgeRunner.open(bridgeFolder, tokens);
  using adapter = await BridgeRunner.open(cropFolder, tokens);
  using whole = await Tower.open("dinov2-small", SIDES.scene);
  using crop = await Tower.open("dinov2-small", SIDES.crop);
  const seen = new Float32Array(tokens * hidden);
  const rows: CostRow[] = [];
  for (const regions of [1, 2, 4, 8, 16]) {
    const times = { bridge: [] as number[], crops: [] as number[] };
    const flops = { bridge: 0, crops: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const began = performance.now();
      await whole.see(image);
      const { cost } = await bridge.vectors(new Float32Array(regions * where), seen);
      const between = performance.now();
      let spent = 0;
      for (let i = 0; i < regions; i++) {
        const own = await crop.see(image, PART);
        spent += crop.cost.flops + (await adapter.vectors(own.slice(0, hidden), own)).cost.flops;
      }
      times.bridge.push(between - began);
      times.crops.push(performance.now() - between);
      Object.assign(flops, { bridge: whole.cost.flops + cost.flops, crops: spent });
    }
    rows.push({ regions, flops, ms: { bridge: median(times.bridge), crops: median(times.crops) } });
  }
  return rows;
}
