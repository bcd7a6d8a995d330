import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { graphCost } from "../../graph/index.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { openEncoder } from "../registry.ts";
import { run } from "./encoder.testing.ts";
import { Encoder } from "./encoder.ts";
import { traceEmbedding } from "./encoder-graphs.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-layers-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

describe.each(["bert", "modernbert", "mpnet"])("%s", async (name) => {
  const { encoder, weights } = await openEncoder(openCheckpoint(fixture(name)), path.join(folder, name), "f32");
  const { texts } = JSON.parse(readFileSync(path.join(fixture(name), "encoder.json"), "utf8"));
  const { layers } = encoder.config;
  const embed = (of: Encoder, first?: number) =>
    run({ weights }, () => traceEmbedding(of, "mean", false, first), { texts });

  test("all layers are the model itself, to the last bit", async () => {
    expect(await embed(encoder, layers)).toEqual(await embed(encoder));
  });

  test("its first layers are the model of so many", async () => {
    const { config } = encoder;
    // Spreading the object would lose the methods that distinguish ModernBERT's layers.
    const shallow = new Encoder(Object.assign(Object.create(config), { layers: 1 }), weights);
    const cut = await embed(encoder, 1);
    expect(cut).toEqual(await embed(shallow));
    expect(cut).not.toEqual(await embed(encoder));
  });

  test("what it does not run, it does not cost", () => {
    const cost = (first?: number) => graphCost(traceEmbedding(encoder, "mean", false, first)).flops;
    expect(cost(1)).not.toEqual(cost());
    expect(cost(layers)).toEqual(cost());
  });
});
