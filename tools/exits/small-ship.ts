/** Puts the small model, in float16, into `models/exits-small`: `npx tsx tools/exits/small-ship.ts OUT`. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withFile } from "../../src/weights/read-file.ts";
import { parseHeader } from "../../src/weights/safetensors/header.ts";
import { readFloats } from "../../src/weights/safetensors/read.ts";
import { type WritableTensor, writeTensors } from "../../src/weights/safetensors/write.ts";
import { root } from "../section.ts";

const [out = ""] = process.argv.slice(2);
const [from, folder] = [join(out, "model"), join(root, "models/exits-small")];
mkdirSync(folder, { recursive: true });
for (const file of ["tokenizer.json", "tokenizer_config.json", "receipt.json"])
  copyFileSync(join(from, file), join(folder, file));
const config: object = JSON.parse(readFileSync(join(from, "config.json"), "utf8"));
writeFileSync(join(folder, "config.json"), `${JSON.stringify({ ...config, torch_dtype: "float16" }, null, 2)}\n`);
const tensors = [...withFile(join(from, "model.safetensors"), parseHeader)].map(
  ([name, tensor]): [string, WritableTensor] => [
    name,
    { shape: tensor.shape, type: "F16", values: () => readFloats(tensor) },
  ],
);
await writeTensors(join(folder, "model.safetensors"), new Map(tensors));
