import { describe, expect, it } from "vitest";
import { editText, namedBy, readEdit, sameEdits, withChange } from "../src/state/edits";
import type { Edit } from "../src/wire/types";
import { SOURCE } from "./frames";

const SILENT: Edit = { source: SOURCE, feature: 7, scale: 0, where: "while_firing" };

describe("an edit as text", () => {
  it.each([
    [`${SOURCE}/7 silence`, SILENT],
    [`${SOURCE}/7 scale -1`, { ...SILENT, scale: -1 }],
    [`${SOURCE}/7 swap 9`, { source: SOURCE, feature: 7, swap_with: 9, where: "while_firing" }],
    [`${SOURCE}/7 add 2.5`, { source: SOURCE, feature: 7, add: 2.5, where: "everywhere" }],
    [
      `${SOURCE}/7 set 3 everywhere generated from 3 to 8 bos`,
      {
        source: SOURCE,
        feature: 7,
        set: 3,
        where: "everywhere",
        origin: "generated",
        first_position: 3,
        last_position: 8,
        include_bos: true,
      },
    ],
    [
      `${SOURCE}/7 add 1 while firing`,
      { source: SOURCE, feature: 7, add: 1, where: "while_firing" },
    ],
  ] as [string, Edit][])("%s is read back as it was", (text, edit) => {
    expect(editText(edit)).toBe(text);
    expect(readEdit(text)).toEqual(edit);
  });

  it.each([
    "",
    "silence",
    `${SOURCE}/7`,
    `${SOURCE}/7 scale`,
    `${SOURCE}/7 scale x`,
    `${SOURCE}/7 swap 1.5`,
    `${SOURCE}/7 silence add 2`,
    `${SOURCE}/7 silence loudly`,
    `${SOURCE}/x silence`,
  ])("%j is none", (text) => {
    expect(readEdit(text)).toBeNull();
  });
});

describe("a change of a feature", () => {
  const feature = { source: SOURCE, id: 7 };
  const others: Edit[] = [1, 9].map((id) => ({ ...SILENT, feature: id, scale: 2 }));

  it("takes the place of what was done to it before", () => {
    const edits = [others[0], SILENT, others[1]].filter((edit) => edit !== undefined);
    const changed = withChange(edits, feature, { scale: 4 });
    expect(changed.map(({ feature: id, scale }) => [id, scale])).toEqual([
      [1, 2],
      [7, 4],
      [9, 2],
    ]);
    expect(withChange(edits, feature, null)).toEqual(others);
  });

  it("is the same whatever goes without saying", () => {
    expect(sameEdits([SILENT], [{ ...SILENT, first_position: 0 }])).toBe(true);
    expect(sameEdits([SILENT], [{ ...SILENT, scale: 1 }])).toBe(false);
    expect(sameEdits([], others)).toBe(false);
  });

  it("names both features of a swap", () => {
    const swap = withChange([], feature, { swap_with: 9 });
    expect(namedBy(swap)).toEqual([`${SOURCE}/7`, `${SOURCE}/9`]);
  });
});
