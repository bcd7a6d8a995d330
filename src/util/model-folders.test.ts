import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { bundledFolders, modelFolder, modelRoots } from "./model-folders.ts";

/** A temporary package with these files, found the same way as this package. */
function packageWith(...files: string[]): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "modicum-folders-")));
  for (const file of ["package.json", ...files]) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), "{}");
  }
  return root;
}

const OWN = "models/ours/sec/exits.json";
const beside = (folder: string) => [`${folder}/package.json`, `${folder}/made/sec/exits.json`];

test.each([
  ["in a clone, the workspace", "packages/models"],
  ["installed, the package beside it", "node_modules/modicum-models"],
])("models lie in the package and, %s", (_, folder) => {
  const root = packageWith(OWN, ...beside(folder));
  const roots = modelRoots(root);
  expect(roots).toEqual([join(root, "models"), join(root, folder)]);
  expect(modelFolder("ours", roots)).toBe(join(root, "models/ours"));
  expect(modelFolder("made", roots)).toBe(join(root, folder, "made"));
  expect(bundledFolders("sec", "exits.json", roots)).toEqual([
    join(root, "models/ours/sec"),
    join(root, folder, "made/sec"),
  ]);
});

test("a clone whose workspace is linked has its models once", () => {
  const root = packageWith(OWN, ...beside("packages/models"), ...beside("node_modules/modicum-models"));
  expect(modelRoots(root)).toEqual([join(root, "models"), join(root, "packages/models")]);
});

test("without the package, its models are in no folder", () => {
  const roots = modelRoots(packageWith(OWN));
  expect(roots).toHaveLength(1);
  expect(modelFolder("made", roots)).toBeUndefined();
  expect(bundledFolders("sec", "exits.json", roots)).toHaveLength(1);
});
