/** The footprint of a text on the map, beside that of another, as a picture to look at and to save. */
import { captioned, COOL, drawHeat, WARM } from "../graph/map/heat";
import { css } from "../graph/palette";
import { type Footprint, footprintOf, ranked } from "../state/footprint";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { FOOTPRINT, footprintSource } from "../words";
import { byId, h, setText } from "./dom";
import { save } from "./files";
import { percent } from "./tokens";

/** Pixels along a side of the picture, and districts listed beside it. */
const SIDE = 960;
const LISTED = 8;
/** Texts that are remembered, to be laid over a later one. */
const MOST = 12;

export class FootprintDialog {
  private readonly dialog = byId("footprint-dialog", HTMLDialogElement);
  private readonly canvas = byId("footprint-picture", HTMLCanvasElement);
  private readonly choice = byId("footprint-other", HTMLSelectElement);
  /** Of the texts that this page has shown to their end, the newest last. */
  private kept: Footprint[] = [];
  private one: Footprint | null = null;

  constructor(private readonly store: Store) {
    const button = byId("footprint", HTMLButtonElement);
    setText(button, FOOTPRINT.open);
    button.title = FOOTPRINT.help;
    setText(byId("footprint-title"), FOOTPRINT.title);
    setText(byId("footprint-means"), FOOTPRINT.means);
    setText(byId("footprint-over"), FOOTPRINT.over);
    setText(byId("footprint-save"), FOOTPRINT.save);
    this.canvas.width = this.canvas.height = SIDE;
    button.addEventListener("click", () => this.open());
    this.choice.addEventListener("change", () => this.draw());
    byId("footprint-save").addEventListener("click", () => void this.save());
    follow(() => {
      button.hidden = store.map === null || store.session.tokens.length === 0;
    });
    follow(() => this.keep());
  }

  /** Remembers the text on show when it has ended. */
  private keep(): void {
    const { map, session } = this.store;
    const ended = session.phase === "finished" || session.phase === "stopped";
    const print = map && ended ? footprintOf(session, map) : null;
    if (!print) return;
    const same = ({ title, tokens, map: hash }: Footprint): boolean =>
      title === print.title && tokens === print.tokens && hash === print.map;
    this.kept = [...this.kept.filter((other) => !same(other)), print].slice(-MOST);
  }

  private open(): void {
    const { map, session } = this.store;
    this.one = map && footprintOf(session, map);
    const { one } = this;
    if (!one) return;
    const others = this.kept.filter(({ title, tokens, map: hash }) => hash === one.map && (title !== one.title || tokens !== one.tokens)); // prettier-ignore
    this.choice.replaceChildren(
      h("option", { value: "" }, FOOTPRINT.nothing),
      ...others
        .toReversed()
        .map((other) => h("option", { value: String(this.kept.indexOf(other)) }, other.title)),
    );
    this.dialog.showModal();
    this.draw();
  }

  private get other(): Footprint | null {
    return this.choice.value === "" ? null : (this.kept[Number(this.choice.value)] ?? null);
  }

  private draw(): void {
    const { one, other } = this;
    const { map } = this.store;
    if (!one || !map) return;
    drawHeat(this.canvas, map, one, other);
    const rows = ranked(one, other).slice(0, LISTED);
    const bar = (print: Footprint | null, district: number, hue: string) => {
      const share = print?.shares.get(district) ?? 0;
      const line = h("i");
      line.style.width = `${Math.round(100 * share)}%`;
      line.style.background = hue;
      return print && h("div", { class: "share" }, h("span", { class: "bar" }, line), h("span", { class: "figure" }, percent(share))); // prettier-ignore
    };
    byId("footprint-list").replaceChildren(
      ...rows.map((district) =>
        h(
          "div",
          { class: "print" },
          h("b", {}, map.file.districts[district]?.name ?? ""),
          bar(one, district, css(WARM)),
          bar(other, district, css(COOL)),
        ),
      ),
    );
    this.canvas.setAttribute("aria-label", FOOTPRINT.said(one.title, other?.title ?? null));
  }

  private async save(): Promise<void> {
    const { one, other } = this;
    const { map, session } = this.store;
    if (!one || !map) return;
    const source = footprintSource(session.run?.model ?? map.file.model, map.file.hash);
    save(await captioned(this.canvas, one, other, source), "axon-footprint.png");
  }
}
