import { checkPrepared } from "../weights/prepared/check.ts";
import { listModels, programsFolder } from "../weights/sources/index.ts";
import type { Check } from "./checks.ts";
import { megabytes } from "./output.ts";

/** Verifies all downloaded models and prepared weights by reading them completely. */
export async function verify(): Promise<Check[]> {
  const models = await listModels(true);
  const { sound, removed } = checkPrepared(programsFolder());
  return [
    ...models.map(({ name, bytes, fault }) => checked(`model ${name}`, `${megabytes(bytes)} as downloaded`, fault)),
    checked(
      "prepared weights, read whole",
      `${sound} as written`,
      removed.length === 0 ? undefined : `removed, to be rebuilt when needed: ${removed.join(" ")}`,
    ),
  ];
}

const checked = (name: string, fine: string, fault: string | undefined): Check => ({
  ...{ name, needed: false, ok: fault === undefined, found: fault ?? fine },
  ...(fault !== undefined && { damaged: true }),
});
