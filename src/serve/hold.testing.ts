import { vi } from "vitest";
import { Engine } from "../engine/decode/run/engine.ts";

/** Stops all computation until the returned function is called. */
export function hold(): () => void {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const { stepAll } = Engine.prototype;
  const held = vi.spyOn(Engine.prototype, "stepAll").mockImplementation(async function (this: Engine, ...args) {
    await opened;
    return stepAll.apply(this, args);
  });
  return () => {
    held.mockRestore();
    open();
  };
}
