import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import type { TrainInput } from "../../src/index.ts";
import { train } from "../../src/library/train.ts";
import type { World } from "./worlds/world.ts";

export type Role = "planner" | "executor";

/** The file of a role's options. */
export const cardAt = (role: Role): string => path.join(import.meta.dirname, `${role}.yaml`);

/** The options of a role in a world, with a run's data. */
export function roleOptions(role: Role, { planTokens }: World, data: string): TrainInput {
  const card: TrainInput = parse(readFileSync(cardAt(role), "utf8"));
  const method = role === "planner" ? { method: `masked-diffusion:answer=${planTokens},epsilon=0.15` } : {};
  return { ...card, ...method, data };
}

/** Trains into a folder of a run, by name, unless it is done. */
export const trainer =
  (folder: string) =>
  async (name: string, options: TrainInput): Promise<void> => {
    const out = path.join(folder, name);
    if (existsSync(path.join(out, "receipt.json"))) return;
    const { loss, steps } = await train(options, { out, reuse: "resume changed", threads: 1 });
    process.stderr.write(`${name}: ${steps} steps, loss ${loss.last.toFixed(4)}\n`);
  };
