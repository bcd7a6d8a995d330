/** Puts a trained model, in float16, into its folder, by default `packages/models/NAME`: `npx tsx research/common/ship-model.ts RUN NAME`. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { modelFolder } from "../../src/util/model-folders.ts";
import { withFile } from "../../src/weights/read-file.ts";
import { parseHeader } from "../../src/weights/safetensors/header.ts";
import { readFloats } from "../../src/weights/safetensors/read.ts";
import { type WritableTensor, writeTensors } from "../../src/weights/safetensors/write.ts";
import { root } from "../../tools/section.ts";

/** `from`: the folder of a run, or of its model. */
export async function shipModel(from: string, name: string): Promise<void> {
  const folder = modelFolder(name) ?? join(root, "packages/models", name);
  mkdirSync(folder, { recursive: true });
  // An image generator has no tokenizer.
  for (const file of ["tokenizer.json", "tokenizer_config.json"].filter((name) => existsSync(join(from, name))))
    copyFileSync(join(from, file), join(folder, file));
  const processor = join(from, "preprocessor_config.json");
  if (existsSync(processor)) copyFileSync(processor, join(folder, "preprocessor_config.json"));
  const template = join(from, "chat_template.jinja");
  if (existsSync(template)) copyFileSync(template, join(folder, "chat_template.jinja"));
  // The receipt names the model by the run's folder, which exists only on this machine.
  const receipt: object = JSON.parse(readFileSync(join(from, "receipt.json"), "utf8"));
  writeFileSync(join(folder, "receipt.json"), `${JSON.stringify({ ...receipt, model: name }, null, 2)}\n`);
  const config: object = JSON.parse(readFileSync(join(from, "config.json"), "utf8"));
  writeFileSync(join(folder, "config.json"), `${JSON.stringify({ ...config, torch_dtype: "float16" }, null, 2)}\n`);
  await writeRounded(join(from, "model.safetensors"), join(folder, "model.safetensors"));
}

/** Writes a file's tensors again, in float16. */
export async function writeRounded(from: string, to: string): Promise<void> {
  const tensors = [...withFile(from, parseHeader)].map(([name, tensor]): [string, WritableTensor] => [
    name,
    { shape: tensor.shape, type: "F16", values: () => readFloats(tensor) },
  ]);
  await writeTensors(to, new Map(tensors));
}

if (process.argv[1] === import.meta.filename) {
  const [from, name] = process.argv.slice(2);
  if (!from || !name) throw new Error("expected the folder of a run, and a name in packages/models");
  await shipModel(from, name);
}
