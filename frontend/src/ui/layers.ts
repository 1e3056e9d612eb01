/** Tokens by layers, where there is no graph: how strongly each layer's strongest feature fires. */
import { css, hueAmong } from "../graph/palette";
import { nameOf } from "../state/feature";
import type { Token } from "../state/log";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { STAGE } from "../words";
import { byId, h } from "./dom";
import { percent, shownText } from "./tokens";

/** Least width of a token's column, in pixels, and what the names of the layers take. */
const COLUMN = 56;
const NAMES = 72;

/** Draws the last tokens up to the one on show, as many as there is room for. */
export function showLayers(store: Store): void {
  const table = byId("layers");
  table.hidden = false;
  table.setAttribute("aria-label", STAGE.layers);
  const draw = (): void => {
    const { session, playhead } = store;
    const room = Math.max(1, Math.floor((table.clientWidth - NAMES) / COLUMN));
    const tokens = session.tokens.slice(Math.max(0, playhead.at + 1 - room), playhead.at + 1);
    const sources = store
      .sourceIds()
      .filter((id) => store.shows(id))
      .toReversed();
    table.style.setProperty("--columns", String(Math.max(1, tokens.length)));
    table.replaceChildren(
      ...sources.flatMap((source) => [
        h("span", { class: "quiet" }, source.slice(source.indexOf("/") + 1)),
        ...tokens.map((token) => cellOf(store, token, source)),
      ]),
      h("span"),
      ...tokens.map((token) => h("span", { class: "word" }, shownText(token))),
    );
  };
  follow(draw);
  new ResizeObserver(draw).observe(table);
}

function cellOf(store: Store, token: Token, source: string): HTMLElement {
  let [share, name] = [0, ""];
  token.eachActive((feature, activation) => {
    const strength = store.session.strengthOf(feature, activation);
    if (feature.source !== source || strength <= share || !store.passes(feature)) return;
    [share, name] = [strength, nameOf(feature)];
  });
  const cell = h("i", { "data-tip": name === "" ? "" : `${name}: ${percent(share)}` });
  cell.style.background = css(hueAmong(store.sourceIds(), source));
  cell.style.opacity = (0.06 + 0.94 * share).toFixed(2);
  return cell;
}
