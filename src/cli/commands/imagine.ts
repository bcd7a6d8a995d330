import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import { imagineOptions } from "../../engine/images/imagine/options.ts";
import { encodePng } from "../../engine/images/pixels/encode.ts";
import type { Model } from "../../index.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import { checkWritable } from "../../util/write-whole.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { billed } from "../session.ts";
import { showSteps } from "../step-bar.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  model: string;
  out?: string;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .option("--model <model>", "an image generator", "digits-tiny")
    .option("--out <file>", "the PNG to write; several images get numbers; missing folders are created")
    .option("--json", "print one JSON object with the files and the receipt");
  addFlags(command, imagineOptions).action(imagine);
  examples(command, "modicum imagine --class 7 --out seven.png", "modicum imagine --n 4 --steps 20 --out digits.png");
}

async function imagine({ model: name, out, json, ...flags }: Flags): Promise<void> {
  if (out === undefined || !out.toLowerCase().endsWith(".png"))
    throw new UserError(`--out: expected a file that ends in .png${out === undefined ? "" : `, got ${out}`}`, 2);
  const options = readFlags(imagineOptions, flags);
  try {
    makeFolders(path.dirname(out));
  } catch (error) {
    throw writeError(error, path.dirname(out));
  }
  await checkWritable(fileOf(out, 0, options.n));
  const signal = interruptSignal();
  using download = showDownload(name);
  const { load } = await import("../../library/load.ts");
  using model = await load(name, { signal, ...download });
  await billed(async (onStopped) => {
    const { images, receipt } = await drawn(model, { ...options, signal, onStopped });
    const files = images.map((_, i) => fileOf(out, i, images.length));
    for (const [i, image] of images.entries()) await write(files[i]!, await encodePng(image));
    if (json) printJson({ files, receipt });
    else print(...files);
    return receipt;
  });
}

/** Draws with a progress bar, which is removed before the files' names are printed. */
async function drawn(model: Model, options: Parameters<Model["imagine"]>[0]) {
  using bar = showSteps();
  return await model.imagine({ ...options, ...bar });
}

/** The file of image `i`: `out` itself for a single image, else `out` with a number, from 1. */
function fileOf(out: string, i: number, count: number): string {
  if (count === 1) return out;
  const { dir, name, ext } = path.parse(out);
  return path.join(dir, `${name}-${i + 1}${ext}`);
}

async function write(file: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(file, bytes);
  } catch (error) {
    throw writeError(error, file);
  }
}
