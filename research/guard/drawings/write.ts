import { Buffer } from "node:buffer";
import { encodePng } from "../../../src/index.ts";
import { fillWhole } from "../../../src/util/write-whole.ts";
import type { Drawing } from "./shapes.ts";

/** Writes drawings as JSON lines with `image`, a PNG as a data URI, and `label`: what image generators are trained on. */
export async function writeDrawings(file: string, drawings: readonly Drawing[]): Promise<void> {
  const lines = await Promise.all(drawings.map(async (drawing) => `${JSON.stringify(await recordOf(drawing))}\n`));
  await fillWhole(file, (part) => part.writeFile(lines.join("")));
}

async function recordOf({ label, side, bytes }: Drawing): Promise<{ image: string; label: string }> {
  const png = await encodePng({ width: side, height: side, channels: 1, data: bytes });
  return { image: `data:image/png;base64,${Buffer.from(png).toString("base64")}`, label };
}
