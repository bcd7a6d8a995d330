/** A model for which timing chose rotated bytes. */
import { tempFolder, withEnv } from "../sources/helpers.testing.ts";
import { preparedFolder, type ResolvedModel, resolveModel } from "../sources/index.ts";
import { keepTuning, rotatedLosses } from "./tuning.ts";

/** The hash of a model that may use rotated bytes by default. */
export const KNOWN = Object.keys(rotatedLosses)[0]!;

/** `file` with the hash `KNOWN`, in a temporary home where timing chose rotated bytes for it, until the test ends. */
export async function chosenRotated(file: string): Promise<ResolvedModel> {
  withEnv({ MODICUM_HOME: tempFolder(), MODICUM_TUNE: "" });
  const source = { ...(await resolveModel(file)), sha256: KNOWN };
  const [codes, rows] = [
    { decode: 1, prefill: 1 },
    { step: 1, batch: 1, prompt: 1 },
  ];
  await keepTuning(preparedFolder(source.path), {
    ...{ bits: 8, steady: true, ms: { 4: codes, 8: codes } },
    rotated: { chosen: true, steady: true, ms: { default: rows, rotated: rows } },
  });
  return source;
}
