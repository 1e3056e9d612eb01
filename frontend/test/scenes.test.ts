// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from "vitest";
import { featureKey } from "../src/state/feature";
import { Scenes } from "../src/state/scenes";
import { Store } from "../src/state/store";
import { ScenesDialog } from "../src/ui/scenes";
import { parseRecording, type Recorded, runsOf } from "../src/wire/recording";
import { feature, finished, SOURCE, started, token } from "./frames";
import { openDocument, press } from "./page";

const EDIT = { source: SOURCE, feature: 7, scale: 4, where: "while_firing" } as const;

beforeEach(openDocument);

describe("scenes", () => {
  const frames = [
    started(1),
    token(2, 0, "a", [feature(7, 1)]),
    token(3, 1, "b", [feature(9, 1)]),
    finished(4),
    started(5),
    token(6, 0, "c", [feature(7, 1)]),
    finished(7),
  ];
  const recorded: Recorded[] = frames.map((frame, i) => ({ frame, time: i }));

  async function staged() {
    const store = new Store();
    const scenes = new Scenes(store);
    store.playhead.open(recorded, { speed: Infinity, at: null, run: 0 });
    const [first = [], second = []] = runsOf(recorded);
    store.playhead.lookAt(1);
    store.look({
      feature: featureKey(SOURCE, 9),
      pose: { position: [1, 2, 3], target: [4, 5, 6] },
    });
    store.reach.change([EDIT]);
    // What is looked at while the run is still fetched is no part of the scene.
    const saved = scenes.add("one", Promise.resolve(first));
    store.playhead.go(1);
    store.look({ feature: null, pose: null, filters: [{ kind: "min", share: 0.5 }] });
    store.reach.change([]);
    await saved;
    await scenes.add("two", Promise.resolve(second));
    scenes.change(0, { text: "the first" });
    return { store, scenes };
  }

  it("go through a file, with the runs that they show", async () => {
    const { scenes } = await staged();
    const file = parseRecording(scenes.text());
    expect([file.cut, file.skipped]).toEqual([false, 0]);
    expect(runsOf(file.frames)).toHaveLength(2);
    const elsewhere = new Store();
    const again = new Scenes(elsewhere);
    again.load(file);
    again.show(0);
    expect(elsewhere.session.tokens.map(({ text }) => text)).toEqual(["a", "b"]);
    expect(elsewhere.playhead.at).toBe(1);
    expect(elsewhere.view.feature).toBe(featureKey(SOURCE, 9));
    expect(elsewhere.view.pose).toEqual({ position: [1, 2, 3], target: [4, 5, 6] });
    expect(elsewhere.reach.edits).toEqual([EDIT]);
    again.step(1);
    expect(elsewhere.session.tokens.map(({ text }) => text)).toEqual(["c"]);
    expect(elsewhere.filters).toEqual([{ kind: "min", share: 0.5 }]);
    expect(elsewhere.view.feature).toBeNull();
    expect(elsewhere.reach.edits).toEqual([]);
    again.step(1);
    expect(again.at).toBe(1);
    again.step(-1);
    expect(elsewhere.session.tokens.map(({ text }) => text)).toEqual(["a", "b"]);
    expect(again.scene?.text).toBe("the first");
  });

  it("keep only the runs that are needed", async () => {
    const { scenes } = await staged();
    scenes.remove(0);
    expect(runsOf(parseRecording(scenes.text()).frames)).toHaveLength(1);
    expect(parseRecording(scenes.text()).scenes.map(({ run }) => run)).toEqual([0]);
  });

  it("are put in order", async () => {
    const { scenes } = await staged();
    scenes.move(1, 0);
    scenes.move(0, -1);
    expect(scenes.list.map(({ name }) => name)).toEqual(["two", "one"]);
  });

  it("take the clicker's keys only while they are played", async () => {
    const { store, scenes } = await staged();
    new ScenesDialog(store, scenes, () => Promise.resolve(null));
    let others = 0;
    addEventListener("keydown", () => (others += 1));
    press("PageDown");
    expect([scenes.at, others]).toEqual([null, 1]);
    scenes.show(0);
    const caption = document.getElementById("scene");
    expect([caption?.hidden, caption?.textContent]).toEqual([false, "the first"]);
    press("PageDown");
    expect([scenes.at, others]).toEqual([1, 1]);
    expect(caption?.textContent).toContain("2 / 2");
    press("PageUp");
    expect(scenes.at).toBe(0);
    press("Escape");
    expect([scenes.at, caption?.hidden]).toEqual([null, true]);
    // The room is on show again: they are over.
    scenes.show(1);
    store.show(store.live);
    expect(scenes.at).toBeNull();
  });

  it("that cannot be read are left out, and counted", async () => {
    const { scenes } = await staged();
    const broken = scenes.text().replace('"name":"one"', '"name":1');
    const file = parseRecording(broken);
    expect([file.scenes, file.skipped]).toEqual([[], 1]);
  });
});
