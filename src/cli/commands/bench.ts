import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { packageRoot } from "../../util/package-root.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples, MODEL } from "../help.ts";
import { stoppable } from "../interrupt.ts";
import { columns, print } from "../output.ts";
import { showDownload } from "../progress.ts";

const options = z.strictObject({
  model: z.string().default("smollm2").describe(MODEL),
  rounds: z.int().min(5).optional().describe("measured rounds; in each, ours runs, then theirs"),
  save: z.array(z.string()).default([]).describe("a saving to compare with dense, in benchmarks of completions"),
});

/** The interface of `bench/index.ts`, which is not part of the package. */
interface Benches {
  list(): { name: string; summary: string }[];
  run(
    name: string,
    options: { model: string; path: string; sha256?: string; save: readonly string[]; rounds?: number },
  ): Promise<unknown>;
}

export function define(command: Command): void {
  addFlags(command.argument("[name]", "the benchmark"), options).option("--list", "list the benchmarks").action(bench);
  examples(command, "modicum bench --list", "modicum bench decode --model smollm2");
}

async function bench(name: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<void> {
  const benches = await loadBenches();
  if (flags["list"]) return print(...columns(benches.list().map((b) => [b.name, b.summary])));
  if (name === undefined) throw new UserError("which benchmark? --list lists them", 2);
  const { model, rounds, save } = readFlags(options, flags);
  using download = showDownload(model);
  const { path, sha256 } = await stoppable((signal) => resolveModel(model, { signal, ...download }));
  await benches.run(name, {
    ...{ model, path, save },
    ...(sha256 !== undefined && { sha256 }),
    ...(rounds !== undefined && { rounds }),
  });
}

/** Loads the benches, which only a clone has: they are written in TypeScript and compare with development packages. */
async function loadBenches(): Promise<Benches> {
  const file = join(packageRoot(), "bench", "index.ts");
  if (!existsSync(file))
    throw new UserError("benchmarks run from a clone of the project, with its development packages");
  const { tsImport } = await import("tsx/esm/api");
  return await tsImport(pathToFileURL(file).href, import.meta.url);
}
