import { checkSandbox } from "./python.ts";

/** Whether this machine's kernel can isolate what tests would run. */
export const works = ((): boolean => {
  try {
    checkSandbox();
    return true;
  } catch {
    return false;
  }
})();
