import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeJson } from "../src/util/write-whole.ts";
import { platformDependencies } from "./platform-package.ts";

// `add` (prepack) adds the platforms' packages to package.json, and `remove` (postpack) deletes them. In a clone they
// would break `npm ci`: the registry does not have them yet, and npm refuses workspaces for other platforms.
const file = join(import.meta.dirname, "..", "package.json");
const { optionalDependencies: _, ...manifest } = JSON.parse(readFileSync(file, "utf8"));
const added = process.argv[2] === "add" ? { optionalDependencies: platformDependencies() } : {};
await writeJson(file, { ...manifest, ...added });
