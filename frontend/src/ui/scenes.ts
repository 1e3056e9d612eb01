/** The dialog with the scenes, the line of text over the stage, and the keys of a clicker. */
import type { Scenes } from "../state/scenes";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { parseRecording, type Recorded } from "../wire/recording";
import { SAY, SCENES } from "../words";
import { byId, h, isCovered, setText } from "./dom";
import { save } from "./files";

const KEYS: ReadonlyMap<string, number> = new Map([
  ["PageDown", 1],
  ["ArrowRight", 1],
  [" ", 1],
  ["PageUp", -1],
  ["ArrowLeft", -1],
]);

export class ScenesDialog {
  private readonly list = h("ol", { id: "scenes-list" });
  private readonly none = h("p", { class: "quiet" }, SCENES.none);
  private readonly problem = h("p", { class: "problem", role: "alert" });
  private readonly caption = h("div", { id: "scene", role: "status", hidden: "" });
  private readonly dialog = h("dialog", { id: "scenes-dialog", "aria-labelledby": "scenes-title" });
  private drawn: unknown = null;

  /** `run` gives the frames of the run on show. */
  constructor(
    private readonly store: Store,
    private readonly scenes: Scenes,
    private readonly run: () => Promise<readonly Recorded[] | null>,
  ) {
    const button = h("button", { type: "button", id: "scenes", title: SCENES.help }, SCENES.title);
    byId("hall-tools").append(button);
    const make = (words: string, act: () => void): HTMLButtonElement => {
      const made = h("button", { type: "button" }, words);
      made.addEventListener("click", act);
      return made;
    };
    const file = h("input", { type: "file", accept: ".jsonl,.json", hidden: "", "aria-label": SCENES.load }); // prettier-ignore
    file.addEventListener("change", () => void this.load(file));
    const play = make(SAY.play, () => this.play(0));
    const keep = make(SCENES.save, () => {
      save(new Blob([scenes.text()], { type: "application/x-ndjson" }), "axon-scenes.jsonl");
    });
    const buttons = h(
      "div",
      { class: "row-of-buttons" },
      make(SCENES.add, () => void this.add()),
      play,
      keep,
      make(SCENES.load, () => file.click()),
      make(SAY.close, () => this.dialog.close()),
      file,
    );
    const keys = h("p", { class: "quiet" }, SCENES.keys);
    const title = h("h2", { id: "scenes-title" }, SCENES.title);
    this.dialog.append(title, this.none, this.list, this.problem, buttons, keys);
    document.body.append(this.dialog, this.caption);
    button.addEventListener("click", () => this.dialog.showModal());
    addEventListener("keydown", this.press, { capture: true });
    follow(() => {
      play.disabled = keep.disabled = scenes.list.length === 0;
      this.draw();
    });
    follow(this.show);
  }

  /** Plays from a scene on. */
  play(index: number): void {
    this.dialog.close();
    this.scenes.show(index);
  }

  private async add(): Promise<void> {
    const fetched = this.run().then((run) => {
      if (run === null) throw new Error(SCENES.empty);
      return run;
    });
    const name = SCENES.numbered(this.scenes.list.length + 1);
    await this.attempt(() => this.scenes.add(name, fetched));
  }

  private async load(input: HTMLInputElement): Promise<void> {
    const chosen = input.files?.[0];
    await this.attempt(async () => {
      if (chosen) this.scenes.load(parseRecording(await chosen.text()));
    });
    input.value = "";
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    setText(this.problem, "");
    try {
      await work();
    } catch (error) {
      setText(this.problem, SCENES.failed(error instanceof Error ? error.message : String(error)));
    }
  }

  private draw(): void {
    const { list } = this.scenes;
    this.none.hidden = list.length > 0;
    // Typing changes a scene's words: its field stays.
    const signature = JSON.stringify(list.map(({ token, view }) => [token, view]));
    if (signature === this.drawn) return;
    this.drawn = signature;
    this.list.replaceChildren(...list.map((_, index) => this.row(index)));
  }

  private row(index: number): HTMLElement {
    const { scenes } = this;
    const { name = "", text = "" } = scenes.list[index] ?? {};
    const make = (sign: string, title: string, act: () => void): HTMLElement => {
      const made = h(
        "button",
        { type: "button", class: "small", title, "aria-label": title },
        sign,
      );
      made.addEventListener("click", act);
      return made;
    };
    const field = (what: "name" | "text", value: string, label: string): HTMLElement => {
      const input = h("input", {
        type: "text",
        class: what,
        "aria-label": label,
        placeholder: label,
      });
      input.value = value;
      input.addEventListener("input", () => scenes.change(index, { [what]: input.value }));
      return input;
    };
    const move = (to: number): void => {
      this.drawn = null;
      scenes.move(index, to);
    };
    return h(
      "li",
      {},
      make(String(index + 1), SCENES.show(name), () => this.play(index)),
      field("name", name, SCENES.name),
      make("↑", SCENES.up(name), () => move(index - 1)),
      make("↓", SCENES.down(name), () => move(index + 1)),
      make("×", SCENES.remove(name), () => {
        this.drawn = null;
        scenes.remove(index);
      }),
      field("text", text, SCENES.text),
    );
  }

  /** The scene's line over the stage. What else is shown ends it. */
  private readonly show = (): void => {
    const { scene, at, list } = this.scenes;
    if (at !== null && this.store.origin !== "recording") this.scenes.end();
    this.caption.hidden = scene === null;
    if (scene === null || at === null) return;
    setText(this.caption, scene.text || `${scene.name} · ${SCENES.place(at + 1, list.length)}`);
  };

  /** While scenes are played, the clicker's keys are theirs. */
  private readonly press = (event: KeyboardEvent): void => {
    const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea");
    if (this.scenes.at === null || typing || isCovered()) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = KEYS.get(event.key);
    if (by !== undefined) this.scenes.step(by);
    else if (event.key === "Escape") this.scenes.end();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
}
