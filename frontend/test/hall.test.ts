// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from "vitest";
import { Store } from "../src/state/store";
import { Queue } from "../src/ui/queue";
import { offerVotes, VoteCard } from "../src/ui/vote";
import type { HallRequest } from "../src/wire/hall";
import type { Asked, Frame, Role } from "../src/wire/types";
import { feature, finished, SOURCE, started, token } from "./frames";
import { openDocument } from "./page";

const EDIT = { source: SOURCE, feature: 7, scale: 4, where: "while_firing" } as const;
const TURN: Asked = {
  id: "q1",
  kind: "turn",
  text: "Which one?",
  options: [{ text: "capitals silence" }, { text: "Europe ×4", edit: EDIT }],
};
const GUESS: Asked = {
  id: "q2",
  kind: "guess",
  text: "",
  options: [{ text: " Paris" }, { text: " Rome" }],
  branch: 0,
  position: 3,
};

function room(role: Role, open = false): Frame {
  return { type: "room", seq: 0, room: "r", role, viewers: 2, open };
}

function page(role: Role, ...frames: Frame[]) {
  const store = new Store();
  const sent: HallRequest[] = [];
  store.room.hall.send = (message) => sent.push(message) > 0;
  store.set({ connection: { state: "open" } });
  store.apply(room(role));
  for (const frame of frames) store.apply(frame);
  return { store, sent };
}

function say(store: Store, frame: Frame): void {
  store.apply(frame);
}

function ask(store: Store, question: Asked | null): void {
  say(store, { type: "question", seq: store.room.stream.lastSeq, question });
}

function tally(store: Store, options: number[], words: [string, number][] = []): void {
  const typed = words.map(([word, votes]) => ({ word, votes }));
  const votes = [...options, ...typed.map((one) => one.votes)].reduce((a, b) => a + b, 0);
  const question = store.room.hall.asked?.id ?? "";
  say(store, { type: "tally", seq: 0, question, options, words: typed, votes });
}

function outcome(seq: number, question: Asked, options: number[], answer: string | null): Frame {
  const votes = options.reduce((a, b) => a + b, 0);
  return { type: "outcome", seq, question, options, words: [], votes, answer };
}

function card(): HTMLElement {
  const found = document.getElementById("hall");
  if (!found) throw new Error("no card");
  return found;
}

function button(words: string, place: ParentNode = document): HTMLButtonElement {
  const all = [...place.querySelectorAll("button")];
  const found = all.find((one) => one.textContent.includes(words));
  if (!found) throw new Error(`no button ${words}`);
  return found;
}

beforeEach(() => {
  localStorage.clear();
  openDocument();
});

describe("a vote", () => {
  it("is shown with bars, taken once and changed", () => {
    const { store, sent } = page("viewer");
    new VoteCard(store);
    expect(card().hidden).toBe(true);
    ask(store, TURN);
    expect(card().hidden).toBe(false);
    expect(card().textContent).toContain("Which one?");
    button("Europe", card()).click();
    button("capitals", card()).click();
    expect(sent).toEqual([
      { type: "vote", question: "q1", option: 1 },
      { type: "vote", question: "q1", option: 0 },
    ]);
    expect(button("capitals", card()).getAttribute("aria-pressed")).toBe("true");
    tally(store, [3, 1]);
    expect(card().textContent).toContain("4 votes");
    const bars = [...card().querySelectorAll<HTMLElement>(".ballot i")];
    expect(bars.map(({ style }) => style.width)).toEqual(["75.0%", "25.0%"]);
    expect(card().querySelector("form")?.hidden).toBe(true);
    // Only the presenter ends it.
    expect(button("End the vote", card()).hidden).toBe(true);
  });

  it("ends with a winner that the presenter applies with one click", () => {
    const { store, sent } = page("presenter", started(1), finished(2));
    new VoteCard(store);
    ask(store, TURN);
    button("End the vote", card()).click();
    expect(sent).toEqual([{ type: "close", question: "q1", answer: null }]);
    say(store, outcome(3, TURN, [1, 2], null));
    expect(card().textContent).toContain("3 votes");
    button("Do it: Europe", card()).click();
    expect(store.reach.edits).toEqual([EDIT]);
    expect(card().hidden).toBe(true);
  });

  it("offers nothing to apply where nobody voted, and none of it to viewers", () => {
    for (const [role, votes] of [["presenter", 0], ["viewer", 3]] as const) {
      openDocument();
      const { store } = page(role, started(1), finished(2));
      new VoteCard(store);
      ask(store, TURN);
      say(store, outcome(3, TURN, [0, votes], null));
      expect(button("Do it", card()).hidden).toBe(true);
    }
  }); // prettier-ignore

  it("takes a typed word, and tells at the end who was right", () => {
    const { store, sent } = page("viewer", started(1), token(2, 0, "x", [feature(7, 1)]));
    new VoteCard(store);
    ask(store, GUESS);
    const field = card().querySelector("input");
    if (field) field.value = " Lyon ";
    card().querySelector("form")?.requestSubmit();
    expect(sent).toEqual([{ type: "vote", question: "q2", word: "Lyon" }]);
    tally(store, [2, 1], [["lyon", 1]]);
    expect(card().textContent).toContain("lyon");
    say(store, outcome(3, GUESS, [2, 1], " Paris"));
    expect(card().textContent).toContain("It was “Paris”. 2 of 3 guessed it.");
    expect(card().querySelector(".came")?.textContent).toContain("Paris");
  });

  it("ends at the presenter when the guessed token is shown", () => {
    const { store, sent } = page("presenter", started(1), token(2, 0, "x", []));
    new VoteCard(store);
    store.playhead.lookAt(0);
    ask(store, GUESS);
    say(store, token(3, 1, " Paris", []));
    expect(sent).toEqual([]);
    store.playhead.step(1);
    expect(sent).toEqual([{ type: "close", question: "q2", answer: " Paris" }]);
  });

  it("of the past is no news to a late viewer, but stands in a recording", () => {
    const frames = [started(1), token(2, 0, "x", []), outcome(3, TURN, [1, 0], null), finished(4)];
    const { store } = page("viewer", ...frames);
    new VoteCard(store);
    expect(card().hidden).toBe(true);
    const recorded = frames.map((frame) => ({ frame, time: null }));
    store.playhead.open(recorded, { speed: Infinity, at: null, run: null });
    expect(card().hidden).toBe(false);
    expect(card().textContent).toContain("1 vote");
  });

  it("is opened by the presenter with the features that fire", () => {
    const { store, sent } = page("presenter", started(1), token(2, 0, "x", [feature(7, 1), feature(9, 2)])); // prettier-ignore
    offerVotes(store);
    HTMLDialogElement.prototype.showModal = function () {
      this.open = true;
    };
    document.getElementById("ask")?.click();
    const dialog = document.getElementById("ask-dialog") as HTMLDialogElement;
    const boxes = [...dialog.querySelectorAll<HTMLInputElement>("input[type=checkbox]")];
    expect(boxes).toHaveLength(2);
    if (boxes[1]) boxes[1].checked = false;
    dialog.querySelector("form")?.requestSubmit();
    expect(sent).toMatchObject([
      { type: "question", kind: "turn", options: [{ edit: { source: SOURCE, scale: 0 } }] },
    ]);
  });

  it("on a word needs the likeliest ones", () => {
    const { store, sent } = page("presenter", started(1), token(2, 0, "x", [feature(7, 1)]));
    offerVotes(store);
    button("Guess the next word").click();
    expect(sent).toEqual([]);
    expect(document.getElementById("ask-dialog")?.textContent).toContain("are not known");
    const alternatives = [" a", " b"].map((word, i) => ({ token: word, token_id: i, logprob: -1 }));
    say(store, { ...token(3, 1, "y", [feature(7, 1)]), alternatives } as Frame);
    button("Guess the next word").click();
    expect(sent).toEqual([
      {
        type: "question",
        kind: "guess",
        text: "",
        options: [{ text: " a" }, { text: " b" }],
        branch: 0,
        position: 4,
      },
    ]);
    // It stands there, whatever comes.
    say(store, token(4, 2, "z", []));
    expect(store.playhead.at).toBe(1);
  });
});

describe("the line", () => {
  const places = [
    { id: "a", name: "Ada" },
    { id: "b", name: "guest 1" },
  ];

  it("is shown to all of an open room, with one's own place", () => {
    const { store, sent } = page("viewer");
    new Queue(store);
    const line = document.getElementById("line");
    expect(line?.hidden).toBe(true);
    store.apply(room("viewer", true));
    say(store, { type: "line", seq: 0, places, mine: "b" });
    expect(line?.hidden).toBe(false);
    expect([...document.querySelectorAll("#line li")].map((li) => li.textContent.trim())).toEqual(["Ada", "guest 1"]); // prettier-ignore
    expect(line?.textContent).toContain("One person is ahead of you.");
    expect(document.querySelector("#line .mine")?.textContent).toContain("guest 1");
    button("Leave", line ?? document).click();
    expect(sent).toEqual([{ type: "leave", place: null }]);
  });

  it("lets the presenter take others out, and a viewer nobody", () => {
    const { store, sent } = page("presenter");
    new Queue(store);
    store.apply(room("presenter", true));
    say(store, { type: "line", seq: 0, places, mine: null });
    document.querySelector<HTMLButtonElement>("#line li button")?.click();
    expect(sent).toEqual([{ type: "leave", place: "a" }]);
    openDocument();
    const viewer = page("viewer").store;
    new Queue(viewer);
    viewer.apply(room("viewer", true));
    say(viewer, { type: "line", seq: 0, places, mine: null });
    expect(document.querySelector("#line li button")).toBeNull();
  });

  it("remembers the name", () => {
    const { store } = page("viewer");
    const queue = new Queue(store);
    const field = document.querySelector<HTMLInputElement>("#line input");
    if (field) field.value = " Ada ";
    field?.dispatchEvent(new Event("change"));
    expect(queue.name).toBe("Ada");
    openDocument();
    expect(new Queue(store).name).toBe("Ada");
  });
});
