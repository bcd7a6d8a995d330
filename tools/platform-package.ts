import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { LIBRARIES, LIBRARIES_IN_CLONE, platformPackage } from "../src/runtime/ort/library.ts";
import { UserError } from "../src/util/errors.ts";
import { version } from "../src/util/package-root.ts";

const root = join(import.meta.dirname, "..");
const library = (): string =>
  JSON.parse(readFileSync(join(root, "node_modules/onnxruntime-node/package.json"), "utf8")).version;

/** `package.json` of a platform's package. Its version combines the library's version and ours. */
export function platformManifest(platform: string) {
  const [os, cpu] = platform.split("-");
  return {
    name: platformPackage(platform),
    version: `${library()}-modicum.${version()}`,
    description: `ONNX Runtime's shared library for ${platform}, which modicum loads`,
    license: "MIT",
    os: [os!],
    cpu: [cpu!],
  };
}

/** The optional dependencies of the published package: each platform's package, at its exact version. */
export const platformDependencies = (): Record<string, string> =>
  Object.fromEntries(
    Object.keys(LIBRARIES).map((platform) => {
      const { name, version } = platformManifest(platform);
      return [name, version];
    }),
  );

const readme = (platform: string) => `# ${platformPackage(platform)}

ONNX Runtime ${library()}'s shared library for ${platform}, as the npm package onnxruntime-node ships it, without that package's
install script. The package modicum depends on it and loads it. The licence of ONNX Runtime is in LICENSE.txt.
`;

/** Writes a platform's package, ready to pack, into a folder with the package's name in `folder`. */
export function writePlatformPackage(platform: string, folder: string): string {
  const file = LIBRARIES[platform];
  if (file === undefined)
    throw new UserError(`platform ${platform}: expected one of ${Object.keys(LIBRARIES).join(", ")}`);
  const target = join(folder, platformPackage(platform));
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, "package.json"), `${JSON.stringify(platformManifest(platform), null, 2)}\n`);
  writeFileSync(join(target, "README.md"), readme(platform));
  copyFileSync(join(root, "tools/licences/onnxruntime.txt"), join(target, "LICENSE.txt"));
  copyFileSync(join(root, LIBRARIES_IN_CLONE, file), join(target, basename(file)));
  return target;
}
