export { type RemoteOptions, readFleet, remoteFromText } from "./fleet/file.ts";
export { Fleet } from "./fleet/fleet.ts";
export { checkBind } from "./keys/access.ts";
export { type Key, KeyStore, type Scope, scopes } from "./keys/store.ts";
export { limitOptions } from "./limits.ts";
export { createLog, endAtOnce, endUnread, standardError } from "./log.ts";
export { Catalogue } from "./models/served.ts";
export { type ServeOptions, type Serving, serve } from "./server.ts";
export { tracerFrom } from "./trace/tracer.ts";
