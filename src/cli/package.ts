export { packageRoot, version } from "../util/package-root.ts";
