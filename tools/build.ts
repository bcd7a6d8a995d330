import { rmSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "./bundle.ts";

// Builds the published bundles; `npm run build` adds the declarations of the library's public types.
const dist = join(import.meta.dirname, "..", "dist");
rmSync(dist, { recursive: true, force: true });
await bundle(dist);
