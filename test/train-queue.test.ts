import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { freePort } from "./free-port.testing.ts";
import { Processes, type Said, server } from "./redis.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-train-queue-"));
const processes = new Processes(folder);
afterAll(() => {
  processes.kill();
  rmSync(folder, { recursive: true });
});
if (!server) console.info("sweeps on a queue are not tested: there is neither redis-server nor valkey-server");

const modicum = (...words: string[]) => processes.modicum(words);

/** Waits for an effect of processes, unless one of them ends first. */
async function until(holds: () => boolean, ...by: readonly Said[]): Promise<void> {
  while (!holds()) {
    const ended = by.find(({ exitCode }) => exitCode !== null);
    if (ended) throw new Error(`a process ended: ${ended.said()}`);
    await setTimeout(10);
  }
}

const rates = [1e-3, 3e-3, 1e-2];
const runs = rates.map((rate) => `lr=${rate}`);

/** Losses by step of each run, without times. */
function losses(out: string): unknown[] {
  return runs.map((name) => {
    const lines = readFileSync(path.join(folder, out, name, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n");
    return lines.map((line) => {
      const { step, loss, norm, validation } = JSON.parse(line);
      return { step, loss, norm, validation };
    });
  });
}

const steps = (out: string, name: string): number => {
  const file = path.join(folder, out, name, "metrics.jsonl");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").length : 0;
};

test.skipIf(!server)(
  "a sweep on a queue returns the losses of one process, even if a worker is killed in the middle; a worker without the folder leaves",
  async () => {
    writeFileSync(
      path.join(folder, "text.txt"),
      "It is the small things, done every day, that make a home. ".repeat(60),
    );
    const architecture = {
      ...{ model_type: "llama", hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1 },
      ...{ intermediate_size: 16, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
    };
    const options = { architecture, data: "text.txt", tokens: 16, batch: 2, steps: 300, saveEvery: 20 };
    const grid = { "optimizer.lr": rates };
    writeFileSync(
      path.join(folder, "sweep.json"),
      JSON.stringify({ ...options, evaluateEvery: 100, evaluateBatches: 1, grid, screen: { mode: "off" } }),
    );
    const alone = modicum("train", "sweep", "sweep.json", "--out", "alone");
    const port = await freePort();
    processes.redis(port);
    const url = `redis://127.0.0.1:${port}`;
    const sweep = modicum("train", "sweep", "sweep.json", "--out", "queued", "--queue", url, "--json");
    const victim = modicum("lab", "worker", "--queue", url);
    await until(() => runs.some((name) => steps("queued", name) > 0), sweep, victim);
    victim.kill("SIGKILL");
    const other = modicum("lab", "worker", "--queue", url);
    expect([(await once(alone, "close"))[0], alone.said()]).toEqual([0, expect.any(String)]);
    const [code] = await once(sweep, "close");
    expect([code, sweep.said()]).toEqual([0, expect.stringMatching(/3 of 3: lr=\S+ is back/)]);
    expect(losses("queued")).toEqual(losses("alone"));
    other.kill("SIGINT");
    expect((await once(other, "close"))[0]).toBe(0);

    // Another folder at the same path, as on a machine without the shared disk.
    const stranger = modicum("train", "sweep", "sweep.json", "--out", "strange", "--queue", url);
    await until(() => existsSync(path.join(folder, "strange", "queue.json")), stranger);
    writeFileSync(path.join(folder, "strange", "queue.json"), JSON.stringify({ mark: "another" }));
    const lost = modicum("lab", "worker", "--queue", url);
    expect((await once(lost, "close"))[0]).toBe(1);
    expect(lost.said()).toMatch(
      /error: .*strange is not the sweep's folder here; expected a folder that all workers share\n$/,
    );
    stranger.kill("SIGKILL");
  },
  600_000,
);
