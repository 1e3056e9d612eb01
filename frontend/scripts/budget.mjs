/**
 * Fails if what one visit loads of the built page's scripts and styles, gzipped, is larger than the
 * budget. Of the languages a visit loads one at most: the largest counts.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET_KB = 350;
const folder = new URL("../dist/assets/", import.meta.url).pathname;

const sizes = readdirSync(folder)
  .filter((name) => /\.(js|css)$/.test(name))
  .map((name) => [name, gzipSync(readFileSync(join(folder, name))).length / 1024]);
for (const [name, size] of sizes) console.log(`${size.toFixed(1).padStart(7)} KB  ${name}`);

const isLanguage = ([name]) => /^[a-z]{2}-/.test(name) && !name.startsWith("qr-");
const languages = sizes.filter(isLanguage).map(([, size]) => size);
const rest = sizes.filter((file) => !isLanguage(file)).map(([, size]) => size);
const total = [Math.max(0, ...languages), ...rest].reduce((sum, size) => sum + size);
console.log(`${total.toFixed(1).padStart(7)} KB  script and style gzipped; budget ${BUDGET_KB} KB`);
if (total > BUDGET_KB) process.exit(1);
