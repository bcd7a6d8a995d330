// The order of the rooms: a room imports only from rooms above it in this list; `util` (errors, formatting) is free to all.
const rooms = [
  "graph",
  "runtime",
  "weights",
  "nn",
  "models",
  "savings",
  "engine",
  "train",
  "retrieval",
  "ledger",
  "pipelines",
  "library",
  "lab",
  "serve",
  "cli",
];
const above = (i) => ["util", ...rooms.slice(0, i + 1)].join("|");

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...rooms.map((room, i) => ({
      name: `${room}-reaches-up`,
      severity: "error",
      from: { path: `^src/${room}/`, pathNot: "\\.test\\.ts$" },
      to: { path: "^src/", pathNot: `^src/(${above(i)}|index\\.ts$)${room === "cli" || room === "serve" ? "" : "/"}` },
    })),
    {
      name: "faces-know-no-pipeline",
      comment: "the server and the command line take pipelines from the registry",
      severity: "error",
      from: { path: "^src/(serve|cli)/", pathNot: "\\.test\\.ts$" },
      to: { path: "^src/pipelines/[^/]+/" },
    },
    {
      name: "util-stands-alone",
      severity: "error",
      from: { path: "^src/util/" },
      to: { path: "^src/", pathNot: "^src/util/" },
    },
    {
      name: "apps-use-the-library",
      comment: "an application imports packages and the library's faces, `modicum` and its subpaths",
      severity: "error",
      from: { path: "^apps/", pathNot: "\\.test\\.tsx?$" },
      to: { path: "^(src|bench|test|tools|examples)/", pathNot: "^src/index[-a-z]*\\.ts$" },
    },
    {
      name: "apps-stand-apart",
      comment: "the command line loads an application; nothing else knows it",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/cli/" },
      to: { path: "^apps/" },
    },
    {
      name: "apps-load-late",
      comment: "by one dynamic import; types are free",
      severity: "error",
      from: { path: "^src/cli/" },
      to: { path: "^apps/", dependencyTypesNot: ["type-only", "dynamic-import"] },
    },
    {
      name: "nothing-imports-research",
      comment: "research proves what the product claims; the product does without it",
      severity: "error",
      from: { pathNot: "^research/" },
      to: { path: "^research/" },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "graph-is-pure",
      comment: "the graph knows no files and no ONNX Runtime",
      severity: "error",
      from: { path: "^src/graph/", pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: ["core", "npm"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
