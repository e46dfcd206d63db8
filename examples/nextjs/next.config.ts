import type { NextConfig } from "next";

const config: NextConfig = {
  // The server with just the files that it needs, found by tracing its imports.
  output: "standalone",
  poweredByHeader: false,
  // This application shows no pictures: the library that scales them need not be in the image.
  images: { unoptimized: true },
  outputFileTracingExcludes: { "*": ["node_modules/sharp/**", "node_modules/@img/**"] },
};

export default config;
