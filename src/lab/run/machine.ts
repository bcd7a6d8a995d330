import os from "node:os";
import { ortLibrary } from "../../runtime/ort/library.ts";
import { availableThreads } from "../../runtime/threads.ts";
import { count } from "../report/format.ts";

export const machine = (): string =>
  `${os.cpus()[0]?.model.trim() ?? "unknown processor"}, ${count(availableThreads(), "thread")}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${process.platform}-${process.arch}`;

/** Versions of the software that runs the models. */
export const versions = (): Record<string, string> => ({
  node: process.versions.node,
  onnxruntime: ortLibrary().version,
});
