import type { NextConfig } from "next";

// The library loads native code, so Next.js must not bundle it.
export default {
  serverExternalPackages: ["modicum"],
  outputFileTracingRoot: import.meta.dirname,
} satisfies NextConfig;
