import { afterEach, expect, it, vi } from "vitest";
import { askForFeature, gatewayModels } from "../src/net/backend";
import { folderOf, showAccess } from "../src/net/server";

afterEach(() => {
  vi.unstubAllGlobals();
});

function answer(status: number): string[] {
  const asked: string[] = [];
  vi.stubGlobal("location", new URL("https://lab.example/axon/r/room1"));
  vi.stubGlobal("fetch", (url: URL, { headers = {} }: RequestInit) => {
    asked.push(url.pathname, ...Object.values(headers as Record<string, string>));
    return Promise.resolve(new Response(JSON.stringify({ label: "capitals" }), { status }));
  });
  return asked;
}

it("asks for a feature by its source, whatever the running model's name is", async () => {
  const asked = answer(200);
  const info = await askForFeature("gpt2-small/8-res jb", 4821);
  expect(asked).toEqual(["/axon/api/features/gpt2-small/8-res%20jb/4821"]);
  expect(info).toMatchObject({ label: "capitals", score: null });
});

it("shows the access token in a header", async () => {
  showAccess("s3cret");
  const asked = answer(200);
  await askForFeature("gpt2-small/8-res-jb", 1);
  showAccess(null);
  expect(asked).toEqual(["/axon/api/features/gpt2-small/8-res-jb/1", "Bearer s3cret"]);
});

it("finds its folder in any address of the page", () => {
  const folders = ["/", "/axon/", "/r/k3f9x2", "/axon/r/k3f9x2/", "/bar/k3f9x2", "/index.html"];
  expect(folders.map(folderOf)).toEqual(["/", "/axon/", "/", "/axon/", "/bar/", "/"]);
});

it("returns null for a feature that the server does not know", async () => {
  answer(404);
  expect(await askForFeature("gpt2-small/8-res-jb", 1)).toBeNull();
});

it("spreads the questions of many pages by a quarter either way while no model is ready", async () => {
  vi.useFakeTimers();
  try {
    for (const [random, ms] of [
      [0, 750],
      [1, 1250],
    ] as const) {
      vi.spyOn(Math, "random").mockReturnValue(random);
      let asked = false;
      void gatewayModels.wait(1000).then(() => (asked = true));
      await vi.advanceTimersByTimeAsync(ms - 1);
      expect(asked).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      expect(asked).toBe(true);
    }
  } finally {
    vi.restoreAllMocks();
    vi.useRealTimers();
  }
});
