/**
 * Writes scenes of 1 to 6 shapes, 8 shapes × 8 colours × 3 textures, in the form of tools/scenes.ts without questions:
 *
 *     npx tsx tools/shape-scenes.ts --out DIR --count 1000 [--split train|test] [--seed 0]
 */
import { writeShapes } from "./regionspot/shapes/write.ts";
import { sceneArguments } from "./scene-arguments.ts";

const { out, set } = sceneArguments();
await writeShapes(out, set);
