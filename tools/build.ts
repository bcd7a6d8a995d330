import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LIBRARIES, LIBRARIES_IN_CLONE, LIBRARIES_IN_PACKAGE } from "../src/runtime/ort/library.ts";
import { bundle } from "./bundle.ts";

// Builds what is published: the bundles, ONNX Runtime's libraries, and declarations of the library's public types.
// `npm run lint` checks the types.
const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
await bundle(dist);
for (const file of Object.values(LIBRARIES))
  cpSync(join(root, LIBRARIES_IN_CLONE, file), join(root, LIBRARIES_IN_PACKAGE, file));
copyFileSync(join(root, "tools/licences/onnxruntime.txt"), join(root, LIBRARIES_IN_PACKAGE, "LICENSE.txt"));
execFileSync(
  process.execPath,
  [join(root, "node_modules", "typescript", "bin", "tsc"), "--project", "tools/tsconfig.build.json", "--noCheck"],
  {
    cwd: root,
    stdio: "inherit",
  },
);
