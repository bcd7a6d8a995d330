import { join, resolve } from "node:path";
import { home } from "../weights/sources/home.ts";

/** The application of papers. It is loaded by this import alone. */
export const loadPapers = () => import("../../apps/papers/index.ts");

/** The folder of its data: `MODICUM_PAPERS`, else one in `MODICUM_HOME`. */
export const papersFolder = (): string => resolve(process.env["MODICUM_PAPERS"] || join(home(), "papers"));
