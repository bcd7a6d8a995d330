import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { layersOf } from "../../../src/models/decoder/decoder.ts";
import { openDecoder } from "../../../src/models/registry.ts";
import { openCheckpoint } from "../../../src/weights/checkpoint.ts";
import { kickLayers } from "./kicks.ts";
import { greatest, measureSpectra } from "./spectra.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-lyapunov-"));
afterAll(() => rmSync(folder, { recursive: true }));
const ids = Array.from({ length: 96 }, (_, i) => 3 + ((i * i + 5 * i) % 67));

describe.each([
  ["mamba", 12],
  ["mamba2", 12],
  ["mamba2-groups", 12],
  // One of its layers forgets a kick within a few tokens.
  ["granitemoehybrid", 4],
  ["falcon_h1", 4],
])("%s", async (name, followed) => {
  const fixture = fileURLToPath(new URL(`../../../src/models/fixtures/${name}`, import.meta.url));
  const model = await openDecoder(openCheckpoint(fixture), path.join(folder, name), "f32");

  test("every exponent is negative, and equals QR's", async () => {
    const spectra = await measureSpectra(model, ids);
    expect(spectra.length).toBe(layersOf(model.decoder.config, "recurrent").length);
    for (const { exponents, fromQr, standardError } of spectra) {
      expect(greatest(exponents)).toBeLessThan(0);
      expect(fromQr).toBeLessThan(1e-9);
      expect(standardError).toBeGreaterThan(0);
    }
  });

  test("a text shorter than a run still has parts to compare", async () => {
    for (const { standardError } of await measureSpectra(model, ids.slice(0, 32)))
      expect(standardError).toBeGreaterThan(0);
  });

  test("a shifted state returns at the closed form's rates; with A = +exp(A_log) it diverges", async () => {
    const few = ids.slice(0, followed);
    for (const { elements, exponent, fromClosedForm } of await kickLayers(model, few)) {
      expect(elements).toBeGreaterThan(0);
      expect(exponent).toBeLessThan(0);
      expect(fromClosedForm).toBeLessThan(1e-4);
    }
    for (const { elements, exponent, fromClosedForm } of await kickLayers(model, few, true)) {
      expect(elements).toBeGreaterThan(0);
      expect(exponent).toBeGreaterThan(0);
      expect(fromClosedForm).toBeLessThan(1e-2);
    }
  });
});
