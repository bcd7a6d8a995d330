import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder, withEnv, writeAt } from "../../weights/sources/helpers.testing.ts";
import { fileHash } from "../file-hash.ts";
import { parseRecipe } from "../recipe.ts";
import type { SavingHost } from "../seams.ts";
import { autoSaving } from "./auto.ts";
import { keepCertificate } from "./certificate.ts";
import { certificateOf } from "./fixture.testing.ts";

test("a file that a certificate's recipes name is refused by name once it is changed, or gone", async () => {
  const home = tempFolder();
  withEnv({ MODICUM_HOME: home });
  const heads = writeAt(join(home, "heads"), "one");
  const ladder = [{ tokens: [0, null] as [number, null], rungs: ["dense"] }];
  await keepCertificate("mine", certificateOf("lookup", { ladder, files: { [heads]: await fileHash(heads) } }));
  const host = { hash: async () => "" } as SavingHost;
  const prepare = () => autoSaving(parseRecipe).prepare({ name: "mine" }, host);
  expect(await prepare()).toBeDefined();
  writeFileSync(heads, "two");
  await expect(prepare()).rejects.toThrow(
    `${heads} has changed since auto:mine was certified; restore it, or tune again`,
  );
  rmSync(heads);
  await expect(prepare()).rejects.toThrow(`${heads}: there is no such file`);
  writeFileSync(heads, "one");
  expect(await prepare()).toBeDefined();
});
