/**
 * Gives a LLaVA the tower of images of a CLIP of the same sizes, and its processor, before it is trained further:
 *
 *     npx tsx research/visual-tokens/vlm-tiny/eyes.ts LLAVA CLIP OUT
 */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { type WritableTensor, writeTensors } from "../../../src/weights/safetensors/write.ts";

const [llava, clip, out] = process.argv.slice(2);
if (!llava || !clip || !out) throw new Error("expected the folders of a LLaVA, of a CLIP, and of the result");
const [blind, seeing] = [openCheckpoint(llava), openCheckpoint(clip)];
const TOWER = "vision_tower.";
const tensors = [...blind.tensors].map(([name, tensor]): [string, WritableTensor] => {
  const own = name.startsWith(TOWER) ? seeing.tensors.get(name.slice(TOWER.length)) : undefined;
  const values = () => (own ? seeing.floats(own) : blind.floats(tensor));
  if (own && own.shape.join() !== tensor.shape.join()) throw new Error(`${name}: the two have other sizes`);
  return [name, { shape: tensor.shape, values }];
});
cpSync(llava, out, {
  recursive: true,
  filter: (file) => !/checkpoints|metrics|run\.json|receipt/.test(file.slice(llava.length)),
});
cpSync(join(clip, "preprocessor_config.json"), join(out, "preprocessor_config.json"));
await writeTensors(join(out, "model.safetensors"), new Map(tensors));
