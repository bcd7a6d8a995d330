import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeJson } from "../../util/write-whole.ts";
import { readOptionalJson, sha256 } from "../json-file.ts";
import { withFile } from "../read-file.ts";
import { promptForms } from "../tokenizer/index.ts";

/** The prompt format that an adapter was trained on. PEFT has no field for this, and ignores unknown files. */
const adapterRecord = z.strictObject({
  prompt: z.enum(promptForms),
  /** SHA-256 of the model's chat template in training; absent if it had none. */
  template: sha256.optional(),
  /** A classifier's labels, which PEFT does not store. */
  labels: z.array(z.string()).optional(),
});
export type AdapterRecord = z.output<typeof adapterRecord>;

/** The name of the record's file, beside PEFT's two files. */
const recordFile = (folder: string): string => path.join(folder, "modicum.json");

/** Reads the record; undefined for an adapter from another tool. @throws UserError if the file is damaged */
export const readRecord = (folder: string): AdapterRecord | undefined =>
  readOptionalJson(recordFile(folder), adapterRecord);

/** Writes a record; without one, removes an earlier record. */
export const writeRecord = (folder: string, record: AdapterRecord | undefined): Promise<void> =>
  record ? writeJson(recordFile(folder), record) : rm(recordFile(folder), { force: true });

/** The names of the files that determine an adapter's results. */
const FILES = ["adapter_config.json", "adapter_model.safetensors"];

/** SHA-256 of PEFT's two files, which determine an adapter's results. @throws UserError if one cannot be read */
export function adapterHash(folder: string): string {
  const hash = createHash("sha256");
  for (const file of FILES) hash.update(withFile(path.join(folder, file), ({ size, read }) => read(0, size)));
  return hash.digest("hex");
}
