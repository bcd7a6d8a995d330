import { expect, test } from "vitest";
import { finishOf, stoppedOf } from "./finish.ts";

test("an answer that a saving stopped ends with the API's stop, and a field that says so", () => {
  expect([finishOf("stopped"), stoppedOf("stopped")]).toEqual(["stop", { stopped: true }]);
  for (const reason of ["stop", "length", "repetition"] as const)
    expect([finishOf(reason), stoppedOf(reason)]).toEqual([reason, {}]);
});
