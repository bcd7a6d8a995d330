import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { root } from "./program.testing.ts";

// deploy/kubernetes as kustomize builds it. A small schema here covers what the cluster's own schemas do not.
const folder = mkdtempSync(join(tmpdir(), "modicum-kubernetes-"));
afterAll(() => rmSync(folder, { recursive: true }));

const env = { ...process.env, PATH: [join(root, ".ci/venv/bin"), process.env["PATH"]].join(delimiter) };

function run(command: string, ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(command, words, { encoding: "utf8", env });
  return { status, stdout, text: `${stdout}${stderr}` };
}

const hasKustomize = run("kustomize", "version").status === 0;
const hasValidator = run("kubernetes-validate", "--version").status === 0;
const built = hasKustomize ? run("kustomize", "build", join(root, "deploy/kubernetes")).stdout : "";

// biome-ignore lint/suspicious/noExplicitAny: a manifest's shape is what tests look at
type Manifest = any;
const manifests: Manifest[] = parseAllDocuments(built).map((document) => document.toJS());
const manifestOf = (kind: string): Manifest => manifests.find((manifest) => manifest.kind === kind);

const labels = z.record(z.string(), z.string());
const metadata = z.strictObject({ name: z.string() });
const port = z.int().min(1).max(65_535);

/** gateway-api-inference-extension, `inference.networking.k8s.io/v1`. */
const inferencePool = z.strictObject({
  apiVersion: z.literal("inference.networking.k8s.io/v1"),
  kind: z.literal("InferencePool"),
  metadata,
  spec: z.strictObject({
    selector: z.strictObject({ matchLabels: labels }),
    targetPorts: z
      .array(z.strictObject({ number: port }))
      .min(1)
      .max(8),
    endpointPickerRef: z.strictObject({
      name: z.string(),
      port: z.strictObject({ number: port }),
      failureMode: z.enum(["FailOpen", "FailClose"]).optional(),
    }),
  }),
});

/** KEDA, `keda.sh/v1alpha1`, with a trigger of Prometheus. */
const scaledObject = z.strictObject({
  apiVersion: z.literal("keda.sh/v1alpha1"),
  kind: z.literal("ScaledObject"),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: metadata,
    minReplicaCount: z.int().min(0),
    maxReplicaCount: z.int().min(1),
    cooldownPeriod: z.int().min(0),
    triggers: z
      .array(
        z.strictObject({
          type: z.literal("prometheus"),
          metadata: z.strictObject({ serverAddress: z.url(), query: z.string(), threshold: z.string() }),
        }),
      )
      .min(1),
  }),
});

describe.skipIf(!hasKustomize)("deploy/kubernetes", () => {
  test.skipIf(!hasValidator)("follows Kubernetes' schemas, strictly", () => {
    const file = join(folder, "built.yaml");
    const validate = (text: string) => {
      writeFileSync(file, text);
      return run("kubernetes-validate", "--strict", "--no-warn", file);
    };
    expect(validate(built)).toMatchObject({ status: 0 });
    expect(validate(built.replace("terminationGracePeriodSeconds", "terminationGraceSeconds")).status).toBe(1);
  });

  test("follows the schemas of the inference extension and of KEDA", () => {
    expect(inferencePool.safeParse(manifestOf("InferencePool")).error).toBeUndefined();
    expect(scaledObject.safeParse(manifestOf("ScaledObject")).error).toBeUndefined();
  });

  test("names the same pods everywhere", () => {
    const { selector, template } = manifestOf("Deployment").spec;
    const { labels } = template.metadata;
    expect(selector.matchLabels).toEqual(labels);
    expect(manifestOf("InferencePool").spec.selector.matchLabels).toEqual(labels);
    expect(manifestOf("PodDisruptionBudget").spec.selector.matchLabels).toEqual(labels);
    expect(manifestOf("NetworkPolicy").spec.podSelector.matchLabels).toEqual(labels);
    for (const { kind, spec } of manifests) if (kind === "Service") expect(spec.selector).toEqual(labels);
    expect(manifestOf("ScaledObject").spec.scaleTargetRef.name).toBe(manifestOf("Deployment").metadata.name);
  });

  test("lets requests end before the pod is killed", () => {
    const { spec } = manifestOf("Deployment").spec.template;
    const serve = readFileSync(join(root, "src/cli/commands/serve.ts"), "utf8");
    const drain = Number(/drain: z\.number\(\)\.min\(0\)\.default\((\d+)\)/.exec(serve)![1]);
    const [, sleep] = spec.containers[0].lifecycle.preStop.exec.command;
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(drain + Number(sleep));
  });

  test("serves and scrapes the named ports, and only scrapers reach the metrics", () => {
    const [container] = manifestOf("Deployment").spec.template.spec.containers;
    const ports = Object.fromEntries(container.ports.map((it: Manifest) => [it.name, it.containerPort]));
    expect(container.args).toContain(`--metrics-port=${ports.metrics}`);
    expect(manifestOf("InferencePool").spec.targetPorts).toEqual([{ number: ports.http }]);
    const [open, closed] = manifestOf("NetworkPolicy").spec.ingress;
    expect([open.ports, open.from]).toEqual([[{ port: "http" }], undefined]);
    expect(closed.ports).toEqual([{ port: "metrics" }]);
    expect(closed.from).toHaveLength(2);
  });

  test("reads models and keys, and writes only to its home and /tmp", () => {
    const { containers, volumes } = manifestOf("Deployment").spec.template.spec;
    const [{ volumeMounts, securityContext, args }] = containers;
    const writable = volumeMounts.filter(({ readOnly }: Manifest) => !readOnly).map((it: Manifest) => it.mountPath);
    expect(writable).toEqual(["/var/lib/modicum", "/tmp"]);
    expect(securityContext.readOnlyRootFilesystem).toBe(true);
    expect(volumes.find(({ name }: Manifest) => name === "keys").secret.secretName).toBe("modicum-keys");
    expect(args).toContain("--keys=/secrets/keys/keys.json");
  });
});
