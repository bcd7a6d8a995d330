/**
 * Puts a trained adapter, in float16, into models/smollm2/FOLDER: `npx tsx research/first/ship.ts RUN FOLDER [LISTS]`.
 * In `first`, with the LISTS that it learned from, `smollm2+first` finds it; in another folder, `--adapter` names it.
 * The card beside it, README.md, is written by hand.
 */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { trainedFile } from "../../src/pipelines/first/trained.ts";
import { writeJson } from "../../src/util/write-whole.ts";
import { modelHash, resolveModel } from "../../src/weights/sources/index.ts";
import { root } from "../../tools/section.ts";
import { writeRounded } from "../common/ship-model.ts";

const NAME = "smollm2";
/** Lists that are written by `research/first/lists.ts … 10 24`. */
const options = { windowSize: 10, stride: 5, maxPassageWords: 24 };

const [run = "", place = "", lists = ""] = process.argv.slice(2);
const folder = join(root, "models", NAME, place);
mkdirSync(folder, { recursive: true });
for (const file of ["adapter_config.json", "receipt.json"]) copyFileSync(join(run, file), join(folder, file));
await writeRounded(join(run, "adapter_model.safetensors"), join(folder, "adapter_model.safetensors"));
if (place === "first") await describe();

async function describe(): Promise<void> {
  const data = readFileSync(lists);
  const file = {
    model: { name: NAME, sha256: await modelHash(await resolveModel(NAME)) },
    options,
    data: {
      name: "research/first/lists.ts",
      sha256: createHash("sha256").update(data).digest("hex"),
      lists: data.toString().trimEnd().split("\n").length,
    },
  };
  await writeJson(join(folder, "first.json"), trainedFile.parse(file));
}
