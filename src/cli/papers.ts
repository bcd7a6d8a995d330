import { join, resolve } from "node:path";
import { home } from "../weights/sources/home.ts";

/** The papers application. Only this import loads it. */
export const loadPapers = () => import("../../apps/papers/index.ts");

/** The folder of the application's data: `MODICUM_PAPERS`, else one in `MODICUM_HOME`. */
export const papersFolder = (): string => resolve(process.env["MODICUM_PAPERS"] || join(home(), "papers"));
