import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parse, stringify } from "yaml";
import { keepCertificate } from "../src/savings/auto/certificate.ts";
import { certificateOf } from "../src/savings/auto/fixture.testing.ts";
import { jsonOf, post, serveModels, type Testing, TINY } from "../src/serve/serve.testing.ts";
import { modelHash, resolveModel } from "../src/weights/sources/index.ts";
import { DASHBOARD, dashboard } from "../tools/dashboard.ts";
import { root } from "./program.testing.ts";

// The dashboard's queries and the alerts, in a real Prometheus that scrapes a server under load. Grafana does not run.
const rulesFile = join(root, "deploy/prometheus-rules.yaml");
const rules: { alert: string; expr: string }[] = parse(readFileSync(rulesFile, "utf8")).groups[0].rules;
const isHere = (command: string) => spawnSync(command, ["--version"]).status === 0;

test("the dashboard is up to date: npx tsx tools/dashboard.ts", () => {
  expect(JSON.parse(readFileSync(join(root, DASHBOARD), "utf8"))).toEqual(dashboard());
});

test.skipIf(!isHere("promtool"))("the alerts are valid Prometheus rules, and fire", () => {
  const folder = mkdtempSync(join(tmpdir(), "modicum-rules-"));
  const file = join(folder, "test.yaml");
  const exp_labels = { instance: "a", model_name: "m", severity: "warning" };
  const exp_annotations = { summary: "9 requests wait for m on a" };
  const firesAt = (eval_time: string) => {
    const input_series = [{ series: 'vllm:num_requests_waiting{instance="a",model_name="m"}', values: "9x20" }];
    const alert = { alertname: "ModicumQueue", eval_time, exp_alerts: [{ exp_labels, exp_annotations }] };
    const tests = [{ interval: "1m", input_series, alert_rule_test: [alert] }];
    writeFileSync(file, stringify({ rule_files: [rulesFile], tests }));
    return spawnSync("promtool", ["test", "rules", file]).status === 0;
  };
  try {
    expect(firesAt("6m")).toBe(true);
    expect(firesAt("4m")).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** A port that was free a moment ago. */
const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" ? address!.port : 0));
    });
  });

describe.skipIf(!isHere("prometheus"))("Prometheus over a server under load", () => {
  const folder = mkdtempSync(join(tmpdir(), "modicum-prometheus-"));
  let server: Testing;
  let prometheus: ChildProcess;
  let url = "";
  let loading = true;
  let load: Promise<void>;

  beforeAll(async () => {
    vi.stubEnv("MODICUM_HOME", folder);
    const model = await modelHash(await resolveModel(TINY[0]!.slice("tiny=".length)));
    await keepCertificate("exact", certificateOf("lookup:match=2,tokens=4", { model, loss: "nats", type: "unit" }));
    server = await serveModels([TINY[0]!], { metricsPort: 0, audit: 1 });
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const scrape = { job_name: "modicum", static_configs: [{ targets: [new URL(server.metricsUrl!).host] }] };
    const config = { global: { scrape_interval: "1s" }, rule_files: [rulesFile], scrape_configs: [scrape] };
    writeFileSync(join(folder, "prometheus.yaml"), stringify(config));
    const words = [`--config.file=${folder}/prometheus.yaml`, `--storage.tsdb.path=${folder}/data`];
    prometheus = spawn("prometheus", [...words, `--web.listen-address=127.0.0.1:${port}`], { stdio: "ignore" });
    load = ask();
  });
  afterAll(async () => {
    loading = false;
    await load;
    prometheus.kill("SIGKILL");
    await server.stop(0);
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  /** Repeated answers, dense, sparse and certified, and a refusal. */
  async function ask(): Promise<void> {
    for (let i = 0; loading; i++) {
      const body = { model: "tiny", prompt: `once upon a time ${i}`, max_tokens: 8, temperature: 0 };
      for (const savings of [[], ["exit:layer=1,fill=copy-kv"], ["auto:exact"]])
        await (await post(server, "/v1/completions", { ...body, savings, stream: i % 2 === 0 })).text();
      await (await post(server, "/v1/completions", { model: "none" })).text();
    }
  }

  async function valuesOf(query: string): Promise<number[]> {
    const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`).catch(() => undefined);
    // It may still be starting.
    if (!response) return [];
    const { status, data, error } = await jsonOf(response);
    if (status === "error") throw new Error(`${query}: ${error}`);
    return data.result.map(({ value }: { value: [number, string] }) => Number(value[1]));
  }

  const queries = dashboard().panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const));

  test.each(queries)("%s has a series of numbers: %s", async (_, expr) => {
    const query = expr.replaceAll("$model", ".*").replaceAll("$__rate_interval", "15s");
    await expect
      .poll(async () => (await valuesOf(query)).filter((value) => !Number.isNaN(value)).length)
      .toBeGreaterThan(0);
  });

  test("a query of another metric has none", async () => {
    expect(await valuesOf("rate(vllm:no_such_metric[15s])")).toEqual([]);
  });

  test.each(rules.map(({ alert, expr }) => [alert, expr] as const))("%s queries existing metrics", async (_, expr) => {
    await valuesOf(expr);
    const names = expr.match(/\b(up|(vllm|modicum):\w+)/g)!;
    for (const name of names) expect((await valuesOf(name)).length, name).toBeGreaterThan(0);
  });
});
