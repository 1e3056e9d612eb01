/** The canvas and what draws on it. */
import {
  type Camera,
  ColorManagement,
  LinearSRGBColorSpace,
  Scene,
  Vector2,
  WebGLRenderer,
} from "three";
import type { Box } from "./names/place";
import { forgetTheme, themed } from "./palette";

// Colours are given as the screen shows them: no conversion.
ColorManagement.enabled = false;

export class Surface {
  readonly scene = new Scene();
  private readonly renderer: WebGLRenderer;

  /**
   * Throws where there is no WebGL. `drawable` is called with false when the browser takes WebGL
   * away, with true when it is back.
   */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly camera: Camera,
    drawable: (may: boolean) => void,
  ) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true });
    this.renderer.outputColorSpace = LinearSRGBColorSpace;
    this.paint();
    canvas.addEventListener("webglcontextlost", () => drawable(false));
    canvas.addEventListener("webglcontextrestored", () => drawable(true));
  }

  /** Takes the theme's ground. */
  paint(): void {
    this.renderer.setClearColor(themed("ground"), 1);
  }

  render(): void {
    this.renderer.render(this.scene, this.camera);
  }

  /** Pixels of the canvas per CSS pixel. */
  get ratio(): number {
    return this.renderer.getPixelRatio();
  }

  /** Draw calls of the last frame, as the renderer counts them. */
  get calls(): number {
    return this.renderer.info.render.calls;
  }

  get size(): { width: number; height: number } {
    const { clientWidth, clientHeight } = this.canvas;
    return { width: Math.max(1, clientWidth), height: Math.max(1, clientHeight) };
  }

  /**
   * What `draw` draws of a part of the window, so many pixels across, on a canvas of its own. Where
   * the browser cannot draw as large, there are fewer.
   */
  shoot(part: Box, across: number, draw: () => void): HTMLCanvasElement {
    const { renderer, canvas, ratio: before } = this;
    const { width, height } = this.size;
    const context = renderer.getContext();
    const most = context.getParameter(context.MAX_VIEWPORT_DIMS) as Int32Array;
    const ratio = Math.min(across / part.width, (most[0] ?? 0) / width, (most[1] ?? 0) / height);
    // Small in between, or the whole window would be as large for a moment.
    const size = (scale: number, wide: number, high: number): void => {
      renderer.setSize(1, 1, false);
      renderer.setPixelRatio(scale);
      renderer.setSize(wide, high, false);
    };
    size(ratio, part.width, part.height);
    renderer.setViewport(-part.left, part.top + part.height - height, width, height);
    draw();
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    copy.getContext("2d")?.drawImage(canvas, 0, 0);
    size(before, width, height);
    draw();
    return copy;
  }

  /** A change of its size empties a canvas: it is drawn at once, or it would flicker. */
  resize(): void {
    const { width, height } = this.size;
    const ratio = Math.min(2, devicePixelRatio);
    const before = this.renderer.getSize(new Vector2());
    if (before.x === width && before.y === height && this.ratio === ratio) return;
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    this.render();
  }
}

/** Calls when the window, its fonts or these elements have other sizes, and when the theme changes. */
export function watchLook(
  elements: readonly HTMLElement[],
  resized: () => void,
  repainted: () => void,
): void {
  const observer = new ResizeObserver(resized);
  for (const element of elements) observer.observe(element);
  addEventListener("resize", resized);
  void document.fonts.ready.then(resized);
  new MutationObserver(() => {
    forgetTheme();
    repainted();
  }).observe(document.documentElement, { attributes: true });
}
