import path from "node:path";
import { expect, test } from "vitest";
import { tempFolder, writeAt } from "../../weights/sources/helpers.testing.ts";
import { checkFolder, type Identity } from "./folder.ts";

const older: Identity = {
  ...{ task: "t", model: "m", model_hash: "0", quant: "auto", seed: 0, limit: null, truncate: null },
  ...{ rows: 1, items: 20, items_hash: "1" },
};
const held = (identity: Identity): string => {
  const folder = tempFolder();
  writeAt(path.join(folder, "run.json"), JSON.stringify(identity));
  return folder;
};

test("a run from before forms and adapters were recorded resumes; another form or adapter is refused", async () => {
  const recorded: Identity = { ...older, prompt: "scored", adapter: "a" };
  expect(await checkFolder(held(older), recorded, "resume")).toEqual(older);
  expect(await checkFolder(held(recorded), recorded, "resume")).toEqual(recorded);
  for (const other of [{ prompt: "raw" as const }, { adapter: "b" }, { adapter: undefined }])
    await expect(checkFolder(held(recorded), { ...recorded, ...other }, "resume")).rejects.toThrow(
      /holds results of another run: its (prompt|adapter) is/,
    );
});
