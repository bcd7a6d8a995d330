import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { load } from "./load.ts";

test("an adapter's folder is read before a model is searched for or downloaded", async () => {
  const home = mkdtempSync(path.join(tmpdir(), "modicum-load-"));
  vi.stubEnv("MODICUM_HOME", home);
  const loading = (more: object) => load("smollm2", { offline: true, ...more });
  const folder = path.join(home, "nowhere");
  await expect(loading({})).rejects.toThrow(/^smollm2 /);
  const missing = `${folder}: there is no adapter_config.json, expected the folder of a PEFT adapter`;
  await expect(loading({ adapter: folder })).rejects.toThrow(missing);
  await expect(loading({ adapters: { one: folder } })).rejects.toThrow(missing);
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});
