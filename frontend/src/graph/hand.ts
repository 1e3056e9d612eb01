/** What the pointer and the keys do on the graph: hover, choose, fly to a district, turn. */
import { cutKey, type FeatureKey } from "../state/feature";
import type { Store } from "../state/store";
import type { CameraRig } from "./camera";
import type { MapView } from "./map/view";
import type { Labels } from "./names/draw";
import type { Box } from "./names/place";
import { listen, nearest, type Projector } from "./pick";

interface Parts {
  canvas: HTMLCanvasElement;
  stage: HTMLElement;
  store: Store;
  rig: CameraRig;
  projector: Projector;
  chart: MapView;
  names: Labels;
  /** The pointer is over the name of a district of the map, whose box is given; null: it is not. */
  overDistrict: (district: number | null, box: Box | null) => void;
}

export class Hand {
  constructor(private readonly parts: Parts) {
    const { canvas, stage, chart, rig } = parts;
    // What was pressed is chosen: the picture may change before the release.
    let pressed: FeatureKey | null = null;
    let district: number | null = null;
    listen(canvas, {
      press: (x, y) => {
        pressed = this.under(x, y);
        district = pressed === null ? (chart.districtAt(x, y)?.district ?? null) : null;
      },
      tap: () => {
        if (district === null) this.choose(pressed);
        else chart.visit(district);
      },
      over: (at) => {
        rig.stir(performance.now());
        this.hover(at);
      },
    });
    stage.addEventListener("keydown", (event) => {
      if (event.target === stage && rig.key(event.key)) event.preventDefault();
    });
  }

  /** The feature whose label is at a point of the canvas, else the one that is there. */
  private under(x: number, y: number): FeatureKey | null {
    const { names, projector, store, chart } = this.parts;
    const named = names.at(x, y);
    // A district's name lies over what is there.
    if (named === null && chart.districtAt(x, y)) return null;
    const lit = named ?? nearest(projector.all(), x, y);
    return lit === null ? chart.at(x, y) : (store.session.features[lit]?.key ?? null);
  }

  private choose(key: FeatureKey | null): void {
    const { store } = this.parts;
    if (key === null || store.session.feature(key)) store.choose(key);
    else store.chooseUnseen(...cutKey(key), store.labelOf(key));
  }

  private hover(at: { x: number; y: number } | null): void {
    const { canvas, chart, store, overDistrict } = this.parts;
    const key = at && this.under(at.x, at.y);
    const found = at && key === null ? chart.districtAt(at.x, at.y) : null;
    canvas.style.cursor = key === null && found === null ? "" : "pointer";
    store.hover(key);
    overDistrict(found?.district ?? null, found?.box ?? null);
  }
}
