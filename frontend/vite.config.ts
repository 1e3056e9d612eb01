import { defineConfig } from "vitest/config";

// `npm run dev` serves the page on its own port and passes the rest on to a running gateway.
const gateway = process.env.AXON_GATEWAY ?? "http://127.0.0.1:8000";

export default defineConfig({
  build: { target: "es2022", assetsInlineLimit: 0, reportCompressedSize: false },
  worker: { format: "es" },
  server: {
    proxy: {
      "/api": gateway,
      "/readyz": gateway,
      "/ws": { target: gateway, ws: true },
    },
  },
  test: { include: ["test/**/*.test.ts"], environment: "node", setupFiles: "test/setup.ts" },
});
