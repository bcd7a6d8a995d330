import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import koffi, { type LibraryHandle } from "koffi";
import { UserError } from "../../util/errors.ts";
import { packageRoot } from "../../util/package-root.ts";

/** The version of the C API's function table used here; the table only grows at its end. */
const API_VERSION = 21;

/** The library's path for each platform, in the libraries' folder of the npm package `onnxruntime-node`. */
export const LIBRARIES: Readonly<Record<string, string>> = {
  "linux-x64": "linux/x64/libonnxruntime.so.1",
  "linux-arm64": "linux/arm64/libonnxruntime.so.1",
  "darwin-arm64": "darwin/arm64/libonnxruntime.1.dylib",
  "win32-x64": "win32/x64/onnxruntime.dll",
  "win32-arm64": "win32/arm64/onnxruntime.dll",
};

/**
 * The libraries' folder in a clone. There the package is a development dependency, since its install script downloads
 * files for CUDA.
 */
export const LIBRARIES_IN_CLONE = "node_modules/onnxruntime-node/bin/napi-v6";

/** The npm package that holds one platform's library, an optional dependency of the published package. */
export const platformPackage = (platform: string): string => `modicum-onnxruntime-${platform}`;

/** ONNX Runtime's shared library for this platform. */
export function libraryPath(): string {
  const platform = `${process.platform}-${process.arch}`;
  const file = LIBRARIES[platform];
  if (file === undefined)
    throw new UserError(
      `no ONNX Runtime library for ${platform}: expected one of ${Object.keys(LIBRARIES).join(", ")}`,
    );
  const inClone = path.join(packageRoot(), LIBRARIES_IN_CLONE, file);
  return existsSync(inClone) ? inClone : installed(platformPackage(platform), path.basename(file));
}

function installed(name: string, file: string): string {
  try {
    return createRequire(import.meta.url).resolve(`${name}/${file}`);
  } catch {
    throw new UserError(
      `the package ${name}, which contains ONNX Runtime's library, is missing: npm installs it unless --omit=optional is set; with a modicum-*.tgz, also install ${name}-*.tgz; \`npx tsx tools/platform-packages.ts\` makes it in a clone (docs/deploy.md)`,
    );
  }
}

/**
 * Keeps a reference to the loaded library, because without it, garbage collection would leave every function pointer
 * dangling.
 */
let loaded: { library: LibraryHandle; table: bigint; version: string } | undefined;

/** Loads the library once per process. Returns the address of its `OrtApi` table, and its version. */
export function ortLibrary(): { table: bigint; version: string } {
  loaded ??= open(libraryPath());
  return loaded;
}

function open(file: string) {
  // Without this setting, the library records its runs with a machine id, and sends the record to its developers.
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
  const library = koffi.load(file);
  const base: bigint = library.func("OrtGetApiBase", "void *", [])();
  const getApi = koffi.decode(koffi.decode(base, 0, "void *"), koffi.proto("void *", ["uint32_t"]));
  const getVersion = koffi.decode(koffi.decode(base, 8, "void *"), koffi.proto("const char *", []));
  return { library, table: getApi(API_VERSION) as bigint, version: getVersion() as string };
}
