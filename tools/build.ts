import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "./bundle.ts";

// Builds the published files: the bundles, and declarations of the library's public types. `npm run lint` checks the types.
const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
await bundle(dist);
execFileSync(
  process.execPath,
  [join(root, "node_modules", "typescript", "bin", "tsc"), "--project", "tools/tsconfig.build.json", "--noCheck"],
  {
    cwd: root,
    stdio: "inherit",
  },
);
