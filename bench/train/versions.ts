import { readFileSync } from "node:fs";
import { script } from "./python.ts";

const versions = new Map(
  readFileSync(script("train.txt"), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split("==") as [string, string]),
);

export const TORCH = `PyTorch ${versions.get("torch")}`;
export const PEFT = `${TORCH} + PEFT ${versions.get("peft")}`;
