import { readFileSync, writeFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vitest/config";

// `npm run dev` serves the page on its own port and passes the rest on to a running gateway.
const gateway = process.env.AXON_GATEWAY ?? "http://127.0.0.1:8000";

// A room's address lies one folder deeper than the page, and all paths are relative, so that the page works below any path of a
// proxy: /r/ROOM is served room.html.
const roomPage: Plugin = {
  name: "room-page",
  writeBundle({ dir = "dist" }) {
    const page = readFileSync(`${dir}/index.html`, "utf8");
    writeFileSync(`${dir}/room.html`, page.replaceAll('="./', '="../'));
  },
};

export default defineConfig({
  base: "./",
  plugins: [roomPage],
  build: { target: "es2022", assetsInlineLimit: 0, reportCompressedSize: false },
  worker: { format: "es" },
  server: {
    proxy: {
      "/api": gateway,
      "/v1": gateway,
      "/readyz": gateway,
      "/ws": { target: gateway, ws: true },
    },
  },
  // A busy machine is slow.
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    setupFiles: "test/setup.ts",
    testTimeout: 30_000,
  },
});
