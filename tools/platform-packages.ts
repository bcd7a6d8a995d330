import { join } from "node:path";
import { writePlatformPackage } from "./platform-package.ts";

// Writes the packages with ONNX Runtime's library into `release/`, for the named platforms, or for this machine's.
const names = process.argv.slice(2);
const platforms = names.length > 0 ? names : [`${process.platform}-${process.arch}`];
for (const platform of platforms)
  console.log(writePlatformPackage(platform, join(import.meta.dirname, "..", "release")));
