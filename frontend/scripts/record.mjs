/**
 * Records a generation of a running stack as the page's first recording.
 *
 *   npm run record [-- http://127.0.0.1:8000 [FILE]]
 *
 * Prompt, seed and knobs are fixed, so that the same model gives the same recording.
 */
import { writeFileSync } from "node:fs";

const gateway = process.argv[2] ?? "http://127.0.0.1:8000";
const file =
  process.argv[3] ??
  new URL("../public/recordings/capital-of-france.jsonl", import.meta.url).pathname;
const MOST_BYTES = 150_000;

const response = await fetch(new URL("/api/generate", gateway), {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    prompt: "The capital of France is",
    max_tokens: 40,
    temperature: 0.7,
    seed: 14,
    feat_k: 5,
    alternatives: 5,
  }),
});
const lines = (await response.text()).split("\n").filter((line) => line !== "");
if (!response.ok) throw new Error(`the gateway answered ${response.status}: ${lines.join(" ")}`);

const frames = lines.map((line) => JSON.parse(line));
const failed = frames.find((frame) => frame.type === "error");
if (failed) throw new Error(`the generation failed: ${failed.message}`);

// Labels and facts that came in later frames are written into the features they belong to.
const FACTS = ["max", "score", "density"];
const labels = new Map();
const facts = new Map();
for (const frame of frames) {
  if (frame.type !== "labels") continue;
  for (const [id, label] of Object.entries(frame.labels)) {
    const key = `${frame.source}/${id}`;
    labels.set(key, label);
    facts.set(key, Object.fromEntries(FACTS.map((name) => [name, frame[name]?.[id]])));
  }
}
const kept = frames.filter((frame) => frame.type !== "labels");
for (const token of kept.flatMap((frame) => frame.tokens ?? [frame])) {
  for (const feature of token.features ?? []) {
    const key = `${feature.source}/${feature.id}`;
    feature.label ??= labels.get(key);
    for (const [name, value] of Object.entries(facts.get(key) ?? {})) feature[name] ??= value;
    facts.delete(key);
    feature.activation = Number(feature.activation.toPrecision(4));
  }
}
const text = kept.map((frame, i) => JSON.stringify({ ...frame, seq: i + 1 }) + "\n").join("");
if (text.length > MOST_BYTES) {
  throw new Error(`the recording has ${text.length} bytes; at most ${MOST_BYTES} fit`);
}
writeFileSync(file, text);
console.log(`${kept.length} frames, ${text.length} bytes: ${file}`);
