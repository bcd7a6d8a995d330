/** Fetches the consistency model that src/engine/imagine/consistency.test.ts checks the blocks with: `npx tsx tools/fetch-consistency.ts`. */
import { packageFiles } from "../src/weights/sources/data-package.ts";

const FILE = "terrain_diffusion/weights/terrain_consistency_unet_difficulty100.onnx";
const data = { kind: "pypi", package: "adaptive-terrain-diffusion", version: "0.4.2" } as const;
const [file] = await packageFiles(data, [FILE]);
process.stdout.write(`${file}\n`);
