import { join } from "node:path";
import { type OpenDecoder, openDecoder } from "../src/models/registry.ts";
import { trainOptions } from "../src/train/options.ts";
import { newSubject } from "../src/train/subject/subject.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";

/** Writes a decoder of a configuration's sizes with random weights into a folder, and opens it in 8 bits. */
export async function openRandom(folder: string, architecture: object, vocabulary: number): Promise<OpenDecoder> {
  const subject = await newSubject(trainOptions.parse({ architecture, data: "none" }), vocabulary);
  await subject.write(folder);
  subject[Symbol.dispose]();
  return openDecoder(openCheckpoint(folder), join(folder, "prepared"));
}
