import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import type { Checkpoint } from "../checkpoint.ts";
import type { Lora } from "./lora.ts";

/** A checkpoint that an adapter's files decide, too, so that its prepared weights are its own. */
export const adapted = (base: Checkpoint, { folder, files }: Lora): Checkpoint => ({
  ...base,
  files: [...new Set([...base.files, ...files])],
  variant: variantOf(folder),
});

/** The name of the weights that are prepared with the adapter of a folder. */
export const variantOf = (folder: string): string =>
  `adapter-${createHash("sha256").update(realpathSync(folder)).digest("hex").slice(0, 16)}`;
