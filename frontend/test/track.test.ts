import { describe, expect, it } from "vitest";
import { columnsOf, firstFrom, indexAt, nextFiring, placeOf, roomFor } from "../src/ui/strip";

describe("places on a strip", () => {
  it("give back their tokens, however many there are", () => {
    for (const length of [1, 7, 46, 5000]) {
      for (const index of [0, length >> 1, length - 1]) {
        expect(indexAt(placeOf(index, length) * 300, 300, length)).toBe(index);
      }
    }
  });

  it("beyond its ends give the first and the last token", () => {
    expect([indexAt(-5, 300, 10), indexAt(300, 300, 10), indexAt(999, 300, 10)]).toEqual([0, 9, 9]);
    expect([indexAt(5, 300, 0), indexAt(5, 0, 10)]).toEqual([-1, -1]);
  });
});

describe("columns", () => {
  it("are the tokens themselves if there is room", () => {
    expect([...columnsOf([0, 0.5, 1], 4, 10)]).toEqual([0, 0.5, 1, 0]);
  });

  it("have the strongest of the tokens that share one", () => {
    expect([...columnsOf([0.25, 1, 0, 0.5, 0.75, 0], 6, 3)]).toEqual([1, 0.5, 0.75]);
    expect(columnsOf([], 0, 10)).toHaveLength(0);
  });

  it("are filled from the column of a token on", () => {
    expect([...columnsOf([0.25, 1, 0, 0.5, 0.75, 0], 6, 3, 3)]).toEqual([0, 0.5, 0.75]);
  });
});

describe("room for a text that grows", () => {
  it("doubles, and is never more than may come", () => {
    expect([roomFor(3, 500), roomFor(64, 500), roomFor(130, 500)]).toEqual([64, 128, 256]);
    expect([roomFor(3, 20), roomFor(300, 310), roomFor(40, 30)]).toEqual([20, 310, 40]);
    expect(roomFor(70, Infinity)).toBe(128);
  });
});

describe("the tokens at which a feature fired", () => {
  it("are found in both directions", () => {
    const at = [2, 5, 9];
    expect([nextFiring(at, 0, 1), nextFiring(at, 2, 1), nextFiring(at, 9, 1)]).toEqual([2, 5, 9]);
    expect([nextFiring(at, 9, -1), nextFiring(at, 4, -1), nextFiring(at, 2, -1)]).toEqual([
      5, 2, 2,
    ]);
    expect(firstFrom(at, 6)).toBe(2);
  });
});
