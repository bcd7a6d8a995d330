/** True if nothing may be fetched, from any source: by the call, or for the whole process by `HF_HUB_OFFLINE`. */
export const isOffline = (call?: boolean): boolean =>
  call || /^(1|true|yes|on)$/i.test(process.env["HF_HUB_OFFLINE"] ?? "");

/** `what` is missing, and may not be fetched. */
export const notFetched = (what: string): string =>
  `${what} is not on this machine, and nothing is fetched offline (--offline or HF_HUB_OFFLINE)`;
