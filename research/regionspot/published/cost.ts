import { readFileSync } from "node:fs";
import { ImageTextModel } from "../../../src/engine/encoders/image-text/image-text-model.ts";
import { decodeImage } from "../../../src/engine/images/pixels/decode.ts";
import { resolveModel } from "../../../src/index-lab.ts";
import { BridgeRunner, Recognizer } from "../../../src/pipelines/recognize/recognizer.ts";
import type { RegionScene } from "../../../src/train/methods/regions/scenes.ts";
import { median } from "../../common/median.ts";
import type { ArmName } from "./arms.ts";
import { type Seen, SIDES } from "./features.ts";
import { type Part, Tower } from "./tower.ts";

/** FLOPs and milliseconds for one picture with a number of regions. */
export interface CostRow {
  readonly regions: number;
  readonly flops: Readonly<Record<ArmName, number>>;
  readonly ms: Readonly<Record<ArmName, number>>;
}

const ROUNDS = 5;
const PART: Part = [56, 56, 168, 168];

/** The arms on one picture, in turns: a look at the picture, the localiser and the bridge; a look at each crop; a look at the picture, and each box's mean. */
export async function costs(
  folderOf: (arm: ArmName) => string,
  { image }: RegionScene,
  { sizes }: Pick<Seen, "sizes">,
): Promise<CostRow[]> {
  const { tokens, hidden } = sizes;
  using bridge = await BridgeRunner.open(folderOf("bridge"), tokens);
  using cropNamer = await BridgeRunner.open(folderOf("crops"), tokens);
  using meanNamer = await BridgeRunner.open(folderOf("means"), 1);
  using clip = await ImageTextModel.load(await resolveModel("clip-tiny"));
  using recognizer = await Recognizer.open(clip);
  const { localiser } = recognizer;
  using whole = await Tower.open("dinov2-small", SIDES.scene);
  using crop = await Tower.open("dinov2-small", SIDES.crop);
  const [seen, none] = [new Float32Array(tokens * hidden), new Float32Array(hidden)];
  const runs: Record<ArmName, (regions: number) => Promise<number>> = {
    async bridge(regions) {
      await whole.see(image);
      const features = await localiser.look(await decodeImage(readFileSync(image), image));
      const boxes = Array.from({ length: regions }, () => [0.25, 0.25, 0.75, 0.75] as const);
      const { cost } = await bridge.vectors((await localiser.regions(features, boxes)).tokens, seen);
      return whole.cost.flops + localiser.pictureCost.flops + localiser.regionsCost(regions).flops + cost.flops;
    },
    async crops(regions) {
      let spent = 0;
      for (let i = 0; i < regions; i++) {
        const own = await crop.see(image, PART);
        spent += crop.cost.flops + (await cropNamer.vectors(own.slice(0, hidden), own)).cost.flops;
      }
      return spent;
    },
    async means(regions) {
      await whole.see(image);
      let spent = whole.cost.flops;
      for (let i = 0; i < regions; i++) spent += (await meanNamer.vectors(none, none)).cost.flops;
      return spent;
    },
  };
  const arms = Object.keys(runs) as ArmName[];
  const rows: CostRow[] = [];
  for (const regions of [1, 3, 10]) {
    const times: Record<ArmName, number[]> = { bridge: [], crops: [], means: [] };
    const flops: Record<ArmName, number> = { bridge: 0, crops: 0, means: 0 };
    for (let round = 0; round < ROUNDS; round++)
      for (const arm of arms) {
        const began = performance.now();
        flops[arm] = await runs[arm](regions);
        times[arm].push(performance.now() - began);
      }
    const ms = Object.fromEntries(arms.map((arm) => [arm, median(times[arm])])) as Record<ArmName, number>;
    rows.push({ regions, flops, ms });
  }
  return rows;
}
