import { describe, expect, it } from "vitest";
import { listen } from "../src/graph/pick";

function pointed(): {
  told: string[];
  point: (type: string, more?: Record<string, unknown>) => void;
} {
  const canvas = new EventTarget();
  const told: string[] = [];
  listen(canvas as HTMLCanvasElement, {
    press: (x, y) => told.push(`press ${x} ${y}`),
    tap: () => told.push("tap"),
    over: (at) => told.push(at ? `over ${at.x} ${at.y}` : "gone"),
  });
  const place = {
    offsetX: 10,
    offsetY: 10,
    button: 0,
    buttons: 0,
    isPrimary: true,
    pointerType: "mouse",
  };
  return {
    told,
    point: (type, more = {}) => canvas.dispatchEvent(Object.assign(new Event(type), place, more)),
  };
}

describe("listen", () => {
  it("reports the press at once, and a tap if it is released nearby", () => {
    const { told, point } = pointed();
    point("pointerdown");
    expect(told).toEqual(["press 10 10"]);
    point("pointerup", { offsetX: 13, offsetY: 14 });
    expect(told).toEqual(["press 10 10", "tap"]);
  });

  it("reports no tap if the pointer has moved: that turned the picture", () => {
    const { told, point } = pointed();
    point("pointerdown");
    point("pointermove", { offsetX: 15, buttons: 1 });
    point("pointerup", { offsetX: 16 });
    expect(told).toEqual(["press 10 10"]);
  });

  it("reports no tap of another button", () => {
    const { told, point } = pointed();
    point("pointerdown", { button: 2 });
    point("pointerup", { button: 2 });
    expect(told).toEqual([]);
  });

  it("reports no tap of the finger that rests while another one pinches, and one after it", () => {
    const { told, point } = pointed();
    const other = { isPrimary: false, pointerType: "touch", offsetX: 60 };
    point("pointerdown", { pointerType: "touch" });
    point("pointerdown", other);
    point("pointerup", { ...other, offsetX: 90 });
    point("pointerup", { pointerType: "touch" });
    expect(told).toEqual(["press 10 10"]);
    point("pointerdown", { pointerType: "touch" });
    point("pointerup", { pointerType: "touch" });
    expect(told).toEqual(["press 10 10", "press 10 10", "tap"]);
  });

  it("reports what a mouse is over, but not a finger", () => {
    const { told, point } = pointed();
    point("pointermove");
    point("pointermove", { offsetX: 20, pointerType: "touch" });
    point("pointerleave");
    expect(told).toEqual(["over 10 10", "gone"]);
  });
});
