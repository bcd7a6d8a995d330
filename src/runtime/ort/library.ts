import { createRequire } from "node:module";
import path from "node:path";
import koffi, { type LibraryHandle } from "koffi";
import { UserError } from "../../util/errors.ts";

/** Version of the C API's function table that we index; the table only ever grows at its end. */
const API_VERSION = 21;

/** The shared library that the npm package `onnxruntime-node` ships for this platform. */
export function libraryPath(): string {
  const root = path.dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
  const file = { linux: "libonnxruntime.so.1", darwin: "libonnxruntime.1.dylib", win32: "onnxruntime.dll" }[
    process.platform as string
  ];
  if (file === undefined)
    throw new UserError(
      `no ONNX Runtime library for ${process.platform}-${process.arch}: Linux, macOS and Windows on x64 or arm64 have one`,
    );
  return path.join(root, "bin", "napi-v6", process.platform, process.arch, file);
}

/** The loaded library must stay referenced: if it were collected, every function pointer would dangle. */
let loaded: { library: LibraryHandle; table: bigint; version: string } | undefined;

/** Loads the library once per process: the address of its `OrtApi` table, and its version. */
export function ortLibrary(): { table: bigint; version: string } {
  loaded ??= open(libraryPath());
  return loaded;
}

function open(file: string) {
  // Otherwise the library keeps a database of its runs, with an id of the machine, and sends it to its makers.
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
  const library = koffi.load(file);
  const base: bigint = library.func("OrtGetApiBase", "void *", [])();
  const getApi = koffi.decode(koffi.decode(base, 0, "void *"), koffi.proto("void *", ["uint32_t"]));
  const getVersion = koffi.decode(koffi.decode(base, 8, "void *"), koffi.proto("const char *", []));
  return { library, table: getApi(API_VERSION) as bigint, version: getVersion() as string };
}
