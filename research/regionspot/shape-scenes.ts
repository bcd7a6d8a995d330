/**
 * Writes scenes of 1 to 6 shapes, 8 shapes × 8 colours × 3 textures, in the form of research/regionspot/scenes.ts without questions:
 *
 *     npx tsx research/regionspot/shape-scenes.ts --out DIR --count 1000 [--split train|test] [--seed 0]
 */

import { sceneArguments } from "./scene-arguments.ts";
import { writeShapes } from "./shapes/write.ts";

const { out, set } = sceneArguments();
await writeShapes(out, set);
