/** The matrix of tokens and features in place of the graph: its settings, its cells, its button. */
import { hueAmong } from "../graph/palette";
import { nameOf } from "../state/feature";
import { strength } from "../state/light";
import { shownLabel } from "../state/own-labels";
import { follow, signal } from "../state/signals";
import type { Store } from "../state/store";
import { type MatrixView, ORDERS } from "../state/view";
import { byId, h, isCovered, setText, short } from "../ui/dom";
import { firstFrom } from "../ui/strip";
import { percent, shownText } from "../ui/tokens";
import { COMPARE, MATRIX, SAY } from "../words";
import { Grid, type Place } from "./grid";
import { activationAt, type Row, Table } from "./table";

export class MatrixPanel {
  private readonly panel = byId("matrix");
  private readonly button = byId("matrix-open", HTMLButtonElement);
  private readonly order = h("select");
  private readonly source = h("select");
  private readonly readout = h("p", { class: "quiet readout" });
  private readonly empty = h("p", { class: "quiet", hidden: "" }, MATRIX.empty);
  private readonly grid: Grid;
  private readonly over = signal<Place | null>(null);
  private readonly table = new Table();
  private rows: readonly Row[] = [];
  /** The order of the rows when the matrix is opened. */
  private last: MatrixView = { order: "first", source: null };
  /** What was chosen when the matrix was drawn last. */
  private shown: { feature: string | null; at: number } | null = null;

  /** `compare` opens the comparison of two texts. */
  constructor(
    private readonly store: Store,
    private readonly compare: () => void,
  ) {
    this.grid = new Grid(MATRIX.title, {
      choose: (place) => this.choose(place),
      over: (place) => {
        this.over.value = place;
        store.hover(this.rows[place?.row ?? -1]?.feature.key ?? null);
      },
    });
    this.build();
    this.listen();
    follow(this.update);
    follow(() => {
      if (store.view.matrix === null) return;
      const place = this.over.value;
      setText(this.readout, place ? this.say(place) : this.counts());
    });
  }

  private build(): void {
    setText(this.button, MATRIX.open);
    this.button.title = MATRIX.help;
    const orders = ORDERS.map((order) => h("option", { value: order }, MATRIX.orders[order]));
    this.order.append(...orders);
    const close = h("button", { type: "button", class: "small" }, MATRIX.close);
    close.addEventListener("click", () => {
      this.store.look({ matrix: null });
      this.button.focus();
    });
    const compare = h("button", { type: "button", class: "small" }, COMPARE.open);
    compare.addEventListener("click", this.compare);
    const tools = h(
      "header",
      {},
      h("h2", {}, MATRIX.title),
      h("label", { class: "quiet" }, `${MATRIX.order} `, this.order),
      h("label", { class: "quiet" }, `${MATRIX.source} `, this.source),
      this.readout,
      compare,
      close,
    );
    this.panel.setAttribute("aria-label", MATRIX.title);
    this.panel.append(tools, this.empty, this.grid.element);
  }

  private listen(): void {
    const { store } = this;
    this.button.addEventListener("click", () => {
      store.look({ matrix: store.view.matrix ? null : this.last });
    });
    for (const select of [this.order, this.source]) {
      select.addEventListener("change", () => {
        const order = ORDERS.find((one) => one === this.order.value) ?? "first";
        store.look({ matrix: { order, source: this.source.value || null } });
      });
    }
    // Escape leaves the cells for the button, and nothing is unchosen.
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || isCovered()) return;
      event.stopPropagation();
      store.look({ matrix: null });
      this.button.focus();
    });
  }

  private readonly update = (): void => {
    const { store, panel, button } = this;
    const { matrix } = store.view;
    panel.hidden = matrix === null;
    button.setAttribute("aria-pressed", String(matrix !== null));
    document.body.classList.toggle("with-matrix", matrix !== null);
    if (!matrix) {
      this.shown = null;
      return;
    }
    this.last = matrix;
    this.offerSources(matrix);
    const { session } = store;
    const { source } = matrix;
    this.table.follow(session);
    this.rows = this.table.select(
      matrix.order,
      store.sourceIds(),
      (feature) => (source === null || feature.source === source) && store.passes(feature),
    );
    this.empty.hidden = this.rows.length > 0;
    this.draw();
    if (!this.over.peek()) setText(this.readout, this.counts());
  };

  private offerSources({ order, source }: MatrixView): void {
    const { store } = this;
    const shown = store.sourceIds().filter((id) => store.shows(id) || id === source);
    const names = ["", ...shown];
    const { options } = this.source;
    if ([...options].map(({ value }) => value).join() !== names.join()) {
      const words = names.map((id) => h("option", { value: id }, id || MATRIX.allSources));
      this.source.replaceChildren(...words);
    }
    this.source.value = source ?? "";
    this.order.value = order;
  }

  private draw(): void {
    const { store, rows, grid } = this;
    const { session, playhead, wanted } = store;
    const sources = store.sourceIds();
    const chosen = {
      row: wanted === null ? -1 : rows.findIndex(({ feature }) => feature.key === wanted),
      column: playhead.at,
    };
    const { tokens } = session;
    // Only where the end was in view, another token brings itself into it.
    const before = this.shown;
    const follows = before === null || before.at < 0 || grid.hasInView(before.at);
    grid.show({
      rows: rows.length,
      columns: tokens.length,
      chosen,
      row: (i) => {
        const feature = rows[i]?.feature;
        if (!feature) return { name: "", hue: [0, 0, 0], nameless: true };
        const hue = hueAmong(sources, feature.source);
        return {
          name: nameOf(feature),
          hue,
          nameless: shownLabel(feature.key, feature.label) === null,
        };
      },
      column: (i) => (tokens[i] ? shownText(tokens[i]) : ""),
      cells: (i, from, to, fill) => {
        const row = rows[i];
        if (!row) return;
        const { at, activation, feature } = row;
        const scale = session.scaleOf(feature);
        for (let k = firstFrom(at, from); k < at.length; k += 1) {
          const token = at[k] ?? to;
          if (token >= to) return;
          fill(token, strength(activation[k] ?? 0, scale));
        }
      },
      say: (place) => this.say(place),
    });
    const moved = chosen.column !== before?.at && follows ? chosen.column : -1;
    const other = wanted === before?.feature ? -1 : chosen.row;
    grid.reveal({ row: other, column: moved });
    this.shown = { feature: wanted, at: chosen.column };
  }

  private choose({ row, column }: Place): void {
    const feature = this.rows[row]?.feature.key;
    this.store.look({
      ...(feature === undefined ? {} : { feature }),
      ...(column < 0 ? {} : { token: column }),
    });
  }

  /** A cell, a row or a column in words. */
  private say({ row, column }: Place): string {
    const { session } = this.store;
    const entry = this.rows[row];
    const token = session.tokens[column];
    const word = token ? SAY.quoted(shownText(token)) : "";
    if (!entry) return word;
    const { feature, most, at } = entry;
    const name = `${nameOf(feature)} (${feature.source} #${feature.id})`;
    if (!token) return MATRIX.row(name, at.length, short(most));
    const activation = activationAt(entry, column);
    if (activation === 0) return MATRIX.silent(name, word);
    const share = percent(session.strengthOf(feature, activation));
    return MATRIX.cell(name, word, short(activation), share);
  }

  private counts(): string {
    return MATRIX.counts(this.rows.length, this.store.session.tokens.length);
  }
}
