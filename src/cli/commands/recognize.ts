import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { regionPipeline } from "../../pipelines/registry.ts";
import { UserError } from "../../util/errors.ts";
import { writeError } from "../../util/system-errors.ts";
import { readValues } from "../../util/values-file.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { billed } from "../session.ts";

const options = await regionPipeline.options();

interface Flags extends Readonly<Record<string, unknown>> {
  boxes: string;
  labels: string[];
  model: string;
  regions?: string;
  out?: string;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<image>", "a picture: PNG, JPEG, WebP or GIF")
    .requiredOption("--labels <labels>", "a,b,…: possible names of a region, in any words", (text) => text.split(","))
    .option(
      "--boxes <file>",
      "a JSON file of [[left, top, right, bottom], …] in pixels; auto finds boxes (experimental)",
      "auto",
    )
    .option("--model <model>", "an image–text model that has a bridge", "clip-tiny")
    .option("--regions <folder>", "a localiser and a bridge instead of the model's own")
    .option("--out <file>", "write a PNG of the picture with its regions")
    .option("--json", "print one JSON object with the receipt");
  addFlags(command, options).action(recognize);
  examples(command, "modicum recognize desk.jpg --labels cup,laptop,phone --out regions.png");
}

async function recognize(image: string, flags: Flags): Promise<void> {
  const signal = interruptSignal();
  const { labels, model, regions, out, json } = flags;
  const boxes = flags.boxes === "auto" ? "auto" : await boxesIn(flags.boxes);
  using download = showDownload(model);
  const { openRecognizer } = await import("../../library/recognize-pipeline.ts");
  using pipeline = await openRecognizer(model, { regions, signal, ...download });
  await billed(async () => {
    const result = await pipeline.recognize({ image, boxes, labels, options: readFlags(options, flags), signal });
    if (out !== undefined) {
      const { annotate } = await regionPipeline.drawing();
      await write(out, await annotate({ image }, result));
    }
    if (json) printJson(result);
    else if (result.regions.length === 0) print("nothing was found");
    else
      print(
        ...columns(result.regions.map(({ label, score, box }) => [score.toFixed(4), label, `[${box.join(", ")}]`])),
      );
    return result.receipt;
  });
}

/** @throws UserError for a file without boxes */
async function boxesIn(file: string): Promise<number[][]> {
  const boxes = await readValues(file, "the boxes");
  const areBoxes = (it: unknown): it is number[][] =>
    Array.isArray(it) &&
    it.every((box) => Array.isArray(box) && box.every((edge: unknown) => typeof edge === "number"));
  if (areBoxes(boxes)) return boxes;
  throw new UserError(`${file}: expected a list of boxes, [[left, top, right, bottom], …]`);
}

async function write(file: string, bytes: Uint8Array): Promise<void> {
  await writeFile(file, bytes).catch((error: unknown) => {
    throw writeError(error, file);
  });
}
