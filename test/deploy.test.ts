import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./program.testing.ts";

/** The files of deploy/, checked by linters for their kinds; a missing linter skips its test (.ci/run installs them). */
const folder = mkdtempSync(join(tmpdir(), "modicum-deploy-"));
afterAll(() => rmSync(folder, { recursive: true }));

const place = (name: string) => join(root, "deploy", name);
const read = (name: string) => readFileSync(place(name), "utf8");

const env = { ...process.env, PATH: [join(root, ".ci/venv/bin"), process.env["PATH"]].join(delimiter) };

/** A command's output and exit status. */
function run(command: string, ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(command, words, { encoding: "utf8", env });
  return { status, text: `${stdout}${stderr}` };
}
const runs = (command: string, ...words: string[]) => run(command, ...words).status === 0;

/** A changed copy, which a working linter refuses. */
function changed(name: string, from: string, to: string): string {
  const text = read(name);
  expect(text).toContain(from);
  const file = join(folder, name);
  writeFileSync(file, text.replace(from, to));
  return file;
}

test.skipIf(!runs("hadolint", "--version"))("Dockerfile: hadolint reports nothing", () => {
  expect(run("hadolint", place("Dockerfile"))).toEqual({ status: 0, text: "" });
  expect(run("hadolint", changed("Dockerfile", "WORKDIR /app", "WORKDIR app")).text).toContain("DL3000");
});

const CHECK = "import compose_spec, sys; compose_spec.PyCompose.from_yaml(open(sys.argv[1]).read()).validate()";
test.skipIf(!runs("python3", "-c", "import compose_spec"))("compose.yaml follows Compose's specification", () => {
  expect(run("python3", "-c", CHECK, place("compose.yaml"))).toEqual({ status: 0, text: "" });
  expect(run("python3", "-c", CHECK, changed("compose.yaml", "read_only", "readonly")).text).toContain("`readonly`");
});

test.skipIf(!runs("promtool", "--version"))("prometheus.yaml is valid", () => {
  const check = (file: string) => run("promtool", "check", "config", "--syntax-only", file);
  expect(check(place("prometheus.yaml"))).toMatchObject({ status: 0 });
  expect(check(changed("prometheus.yaml", "job_name", "job")).status).toBe(1);
});

describe.skipIf(!runs("systemd-analyze", "--version"))("modicum.service", () => {
  // Node stands in for a program that is not installed here.
  const unit = () => changed("modicum.service", "/usr/local/bin/modicum", process.execPath);

  test("is a valid systemd unit", () => {
    expect(run("systemd-analyze", "verify", "--recursive-errors=no", unit())).toEqual({ status: 0, text: "" });
  });

  test("exposes little: at most 2.0 of 10", () => {
    const { status, text } = run(
      "systemd-analyze",
      "security",
      "--offline=yes",
      "--no-pager",
      "--threshold=20",
      unit(),
    );
    expect(text).toMatch(/Overall exposure level for modicum\.service: 1\.\d OK/);
    expect(status).toBe(0);
  });
});

describe("references between the files and to the program", () => {
  const { services, secrets } = parse(read("compose.yaml"));

  test("the image's Node satisfies the package", () => {
    const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const least = Number(/^>=(\d+)/.exec(engines.node)![1]);
    const images = [...read("Dockerfile").matchAll(/^FROM node:(\d+)-/gm)].map(([, major]) => Number(major));
    expect(images).toHaveLength(3);
    for (const major of images) expect(major).toBeGreaterThan(least);
  });

  test("the image has all files that are copied into it", () => {
    const exceptions = [...read("Dockerfile.dockerignore").matchAll(/^!(\S+)/gm)].map(([, name]) => name);
    const copied = [...read("Dockerfile").matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) =>
      names!.split(" "),
    );
    for (const name of copied.filter((n) => n !== ".")) expect(exceptions).toContain(name.split("/")[0]);
  });

  test("Prometheus sends the server the key that it gets", () => {
    const [{ authorization, static_configs, metrics_path }] = parse(read("prometheus.yaml")).scrape_configs;
    const [key] = services.prometheus.secrets;
    expect([authorization.credentials_file, metrics_path]).toEqual([`/run/secrets/${key}`, "/metrics"]);
    expect(Object.keys(secrets)).toEqual([key]);
    expect(static_configs[0].targets).toEqual(["modicum:8080"]);
    expect(services.prometheus.volumes[0]).toMatch(/^\.\/prometheus\.yaml:/);
  });

  test("both give the server more time to stop than it needs", () => {
    const drain = 30;
    expect(readFileSync(join(root, "src/cli/commands/serve.ts"), "utf8")).toContain(
      `drain: z.number().min(0).default(${drain})`,
    );
    expect(Number.parseInt(services.modicum.stop_grace_period, 10)).toBeGreaterThan(drain);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(read("modicum.service"))![1])).toBeGreaterThan(drain);
  });
});
