import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { testFiles } from "./tools/test-kinds.ts";

const { fast, slow, isolated } = testFiles(import.meta.dirname, ["src", "apps", "test"]);
/** Projects whose files take longest come first, so that no worker ends alone. */
const ORDER = ["slow", "isolated", "fast"];
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ project }: TestSpecification) => ORDER.indexOf(project.name);
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}
/** A second thread of each worker would only waste the others' time. */
const oneThread = { MODICUM_THREADS: "1" };

export default defineConfig({
  resolve: {
    alias: [
      { find: /^modicum$/, replacement: join(import.meta.dirname, "src", "index.ts") },
      { find: /^modicum\/(.+)$/, replacement: join(import.meta.dirname, "src", "index-$1.ts") },
    ],
  },
  test: {
    pool: "forks",
    // For two cores: tests wait for processes, sockets and timers a third of their time.
    maxWorkers: 3,
    sequence: { sequencer: SlowFirst },
    // A test beside other work may be slow without being wrong.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 200_000 } },
    // The form of weights does not depend on this machine's timings.
    env: { MODICUM_TUNE: "off" },
    setupFiles: ["test/restore.setup.ts"],
    // Loading modules takes longer than most files' tests, so files that can share a process do.
    projects: [
      { extends: true, test: { name: "isolated", include: isolated } },
      { extends: true, test: { name: "slow", include: slow, isolate: false, env: oneThread } },
      { extends: true, test: { name: "fast", include: fast, isolate: false, env: oneThread } },
      {
        extends: true,
        test: { name: "research", include: ["research/**/*.test.ts"], isolate: false, env: oneThread },
      },
    ],
  },
});
