import { checkSandbox } from "./python.ts";

/** True if this machine's kernel can isolate the programs that tests run. */
export const works = ((): boolean => {
  try {
    checkSandbox();
    return true;
  } catch {
    return false;
  }
})();
