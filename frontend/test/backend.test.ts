import { afterEach, expect, it, vi } from "vitest";
import { askForFeature } from "../src/net/backend";

afterEach(() => {
  vi.unstubAllGlobals();
});

function answer(status: number): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", (path: string) => {
    asked.push(path);
    return Promise.resolve(new Response(JSON.stringify({ label: "capitals" }), { status }));
  });
  return asked;
}

it("asks for a feature by its source, whatever the running model's name is", async () => {
  const asked = answer(200);
  const info = await askForFeature("gpt2-small/8-res jb", 4821);
  expect(asked).toEqual(["/api/features/gpt2-small/8-res%20jb/4821"]);
  expect(info).toMatchObject({ label: "capitals", score: null });
});

it("returns null for a feature that the server does not know", async () => {
  answer(404);
  expect(await askForFeature("gpt2-small/8-res-jb", 1)).toBeNull();
});
