/** Fails if the built page's scripts and styles, gzipped, are larger than the budget. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET_KB = 350;
const folder = new URL("../dist/assets/", import.meta.url).pathname;

const sizes = readdirSync(folder)
  .filter((name) => /\.(js|css)$/.test(name))
  .map((name) => [name, gzipSync(readFileSync(join(folder, name))).length / 1024]);
for (const [name, size] of sizes) console.log(`${size.toFixed(1).padStart(7)} KB  ${name}`);

const total = sizes.reduce((sum, [, size]) => sum + size, 0);
console.log(`${total.toFixed(1).padStart(7)} KB  script and style gzipped; budget ${BUDGET_KB} KB`);
if (total > BUDGET_KB) process.exit(1);
