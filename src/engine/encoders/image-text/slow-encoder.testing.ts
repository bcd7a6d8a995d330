import { vi } from "vitest";
import { ImageRunner } from "./image-runner.ts";

/** Makes each image take `ms` of fake time, until mocks are restored. */
export function slowEncoder(clock: { advance(ms: number): void }, ms: number): void {
  const { run } = ImageRunner.prototype;
  vi.spyOn(ImageRunner.prototype, "run").mockImplementation(function (this: ImageRunner, pixels) {
    clock.advance(ms);
    return run.call(this, pixels);
  });
}
