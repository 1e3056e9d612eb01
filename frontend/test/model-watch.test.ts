import { expect, it } from "vitest";
import { type Answer, ModelWatch } from "../src/net/backend";
import type { Backend } from "../src/state/store";
import { modelInfo } from "./frames";

function ready(model: string): Answer {
  return { state: "ready", model: modelInfo({ model }) };
}

function setup(...answers: Answer[]) {
  const asked: (string | null)[] = [];
  const reports: Backend[] = [];
  const watch = new ModelWatch(
    {
      ask: (model) => {
        asked.push(model);
        const answer = answers.shift();
        return answer ? Promise.resolve(answer) : new Promise(() => undefined);
      },
      wait: () => Promise.resolve(),
    },
    (backend) => reports.push(backend),
  );
  return { watch, asked, reports };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

it("asks until a model is ready, and again on each look", async () => {
  const loading: Answer = { state: "loading", message: "reading the weights" };
  const { watch, asked, reports } = setup(loading, ready("a"), ready("b"));
  watch.look();
  await settle();
  expect(reports.map(({ state }) => state)).toEqual(["loading", "ready"]);
  expect(asked).toEqual([null, null]);
  watch.look();
  await settle();
  expect(reports.at(-1)).toMatchObject({ model: { model: "b" } });
});

it("reports what is new, and nothing if every look finds the same", async () => {
  const { watch, asked, reports } = setup(ready("a"), ready("a"), ready("a"), ready("b"));
  for (let i = 0; i < 4; i += 1) {
    watch.look();
    await settle();
  }
  expect(asked).toHaveLength(4);
  expect(reports).toMatchObject([{ model: { model: "a" } }, { model: { model: "b" } }]);
});

it("asks for the chosen model by name, and ignores an answer that came too late", async () => {
  const { watch, asked, reports } = setup(ready("a"), ready("b"));
  watch.look();
  watch.choose("b");
  await settle();
  expect(asked).toEqual([null, "b"]);
  expect(reports).toMatchObject([{ model: { model: "b" } }]);
});

it("takes the server's default if there is no model of that name, and says so", async () => {
  const { watch, asked, reports } = setup({ state: "unknown" }, ready("a"));
  watch.choose("gone");
  await settle();
  expect(asked).toEqual(["gone", null]);
  expect(reports).toMatchObject([{ model: { model: "a" }, insteadOf: "gone" }]);
});
