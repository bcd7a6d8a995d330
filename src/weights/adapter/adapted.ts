import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import type { Checkpoint } from "../checkpoint.ts";
import type { Lora } from "./lora.ts";

/** A checkpoint that an adapter's files decide, too, so that its prepared weights are its own. */
export const adapted = (base: Checkpoint, { folder, files }: Lora): Checkpoint => ({
  ...base,
  files: [...new Set([...base.files, ...files])],
  variant: `adapter-${createHash("sha256").update(realpathSync(folder)).digest("hex").slice(0, 16)}`,
});
