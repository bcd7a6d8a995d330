/**
 * Writes scenes of shapes that are hard to tell apart, in groups of 64, as pairs for a CLIP's training:
 *
 *     npx tsx research/regionspot/shape-twins.ts --out DIR --count 8192 [--split train|test] [--seed 0] [--set most=1]
 *
 * Scenes of a group show objects of the same textures and colours, and other shapes; `most` are their objects at most.
 */

import { sceneArguments } from "./scene-arguments.ts";
import { writeTwins } from "./shapes/write.ts";

const { out, set, options } = sceneArguments();
await writeTwins(out, set, options.most);
