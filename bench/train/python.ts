import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../src/util/errors.ts";

const root = join(import.meta.dirname, "..", "..");
const folder = join(root, ".ci", "venv-train");
const requirements = join(root, "tools", "reference", "train.txt");

/** The path of a script of `tools/reference`. */
export const script = (name: string): string => join(root, "tools", "reference", name);

/** A Python with the packages of `train.txt`; the first call installs it (minutes). @throws UserError if that fails */
export async function python(): Promise<string> {
  const [executable, marker] = [join(folder, "bin", "python"), join(folder, "train.txt")];
  const wanted = readFileSync(requirements, "utf8");
  if (existsSync(marker) && readFileSync(marker, "utf8") === wanted) return executable;
  console.error(`installing PyTorch, transformers and PEFT into ${folder}`);
  await command("python3", ["-m", "venv", folder]);
  await command(executable, ["-m", "pip", "install", "--quiet", "-r", requirements]);
  writeFileSync(marker, wanted);
  return executable;
}

/** Runs a program to its end. @throws UserError with the last line of its output */
export async function command(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => (output += chunk));
  const ended = await once(child, "close").then(
    ([status]) => (status === 0 ? undefined : output.trim().split("\n").at(-1)),
    (error: Error) => error.message,
  );
  if (ended !== undefined) throw new UserError(`the peer cannot run: ${program} ${args.join(" ")}: ${ended}`);
}
