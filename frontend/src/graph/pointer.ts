/** A pointer on the canvas: what it is over, presses and taps. */

/** A pointer that has moved more pixels than this turns the picture; only a tap chooses. */
const TAP = 5;

export interface PointerEvents {
  press(x: number, y: number): void;
  /** It was released about where it was pressed. */
  tap(): void;
  /** With coordinates on the canvas, or null when the pointer has left it. */
  over(at: { x: number; y: number } | null): void;
}

export function listen(canvas: HTMLCanvasElement, events: PointerEvents): void {
  let down: { x: number; y: number } | null = null;
  canvas.addEventListener("pointerdown", ({ offsetX: x, offsetY: y, button, isPrimary }) => {
    // Neither another button nor the second finger of a pinch taps; nor does the first finger then.
    down = button === 0 && isPrimary ? { x, y } : null;
    if (down) events.press(x, y);
  });
  canvas.addEventListener("pointerup", ({ offsetX: x, offsetY: y, isPrimary }) => {
    if (down && isPrimary && Math.hypot(x - down.x, y - down.y) <= TAP) events.tap();
  });
  canvas.addEventListener("pointermove", ({ offsetX: x, offsetY: y, buttons, pointerType }) => {
    // A finger cannot hover: what it tapped would stay lit.
    if (buttons === 0 && pointerType !== "touch") events.over({ x, y });
  });
  canvas.addEventListener("pointerleave", () => {
    events.over(null);
  });
}
