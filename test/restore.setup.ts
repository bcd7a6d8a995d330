import { afterAll, vi } from "vitest";

// Test files share processes: mocks and settings of one are reset before the next file begins.
const before = { ...process.env };
afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
});
