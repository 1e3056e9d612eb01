/** The camera: orbit by hand, fit, fly to a node or a pose, and drift slowly if left alone. */
import { MOUSE, PerspectiveCamera, Spherical, TOUCH, Vector3 } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import type { Pose } from "../state/view";
import type { Extent } from "./extent";
import type { Box } from "./names/place";

const FIELD_OF_VIEW = 36;
const FLIGHT_MS = 900;
/** Time of a flight to a followed pose; the next may come after a fifth of a second. */
const FOLLOW_MS = 300;
/** OrbitControls turns once in 60 s at speed 1: this is a turn in four minutes. */
const DRIFT = 0.25;
/** What one key turns, in radians, and the share of the distance that it leaves. */
const TURN = Math.PI / 24;
/** What one key moves a picture seen from above, in pixels. */
const SHIFT = 60;
const NEARER = 0.9;
/** Share of its speed that a turn keeps one second after the hand lets go. */
const DAMPING = 0.0005;
/** The drift ends this long after the last event: probably nobody is looking any more. */
const DRIFT_MS = 120_000;
/** Pose listeners are called at most this often. */
const TELL_MS = 200;
/** Seen a little from above, so that the storeys read as discs; on the map they read as planes. */
const HOME_DIRECTION = new Vector3(0, 0.3, 1).normalize();
const MAP_DIRECTION = new Vector3(-0.3, 0.5, 1).normalize();
const ABOVE = new Vector3(0, 1, 1e-4).normalize();
/** How high a flight rises, as a share of the way, and how much more time a long one takes. */
const ARC = 0.5;
const LONGER_MS = 700;
/** Room around the outermost nodes, for their cores and for what `misfits` tolerates. */
const MARGIN = 1.07;

/** `drifting` may be drawn at a lower rate; `moving` needs every frame. */
export type Motion = "still" | "drifting" | "moving";

interface Flight {
  start: number;
  /** Milliseconds that it takes. */
  duration: number;
  /** Share of the way covered after the share `t` of the time. */
  ease(t: number): number;
  fromTarget: Vector3;
  toTarget: Vector3;
  /** The camera's place around its target: so the horizon stays level on the way. */
  from: Spherical;
  to: Spherical;
  /** How much farther away it is in the middle of the way. */
  hop: number;
}

export class CameraRig {
  readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 1, 5000);
  /** The camera may drift and refit, until it is moved, flies to a node or takes a pose. */
  free = true;
  private readonly controls: OrbitControls;
  private flight: Flight | null = null;
  /** The user moves the camera, by hand or with a button: pose listeners are to be told. */
  private byUser = false;
  private untold = false;
  private updating = false;
  private stirredAt = 0;
  private updatedAt = 0;
  private toldAt = -Infinity;
  private readonly poseListeners = new Set<(pose: Pose) => void>();
  private height = 1;
  private stage: Box = { left: 0, top: 0, width: 1, height: 1 };
  private home = HOME_DIRECTION;
  private flat = false;
  private readonly keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => { this.turn(1, 0); },
    ArrowRight: () => { this.turn(-1, 0); },
    ArrowUp: () => { this.turn(0, 1); },
    ArrowDown: () => { this.turn(0, -1); },
    "+": () => { this.controls.dollyIn(NEARER); },
    "-": () => { this.controls.dollyOut(NEARER); },
  }; // prettier-ignore
  private readonly stillness: MediaQueryList;

  constructor(
    element: HTMLElement,
    private readonly moved: () => void,
  ) {
    this.camera.position.copy(HOME_DIRECTION).multiplyScalar(420);
    this.controls = new OrbitControls(this.camera, element);
    this.controls.enableDamping = true;
    this.controls.autoRotateSpeed = DRIFT;
    this.controls.addEventListener("start", () => this.taken());
    this.controls.addEventListener("change", () => {
      this.untold = this.byUser;
      // A change within a frame is drawn by that frame.
      if (!this.updating) moved();
    });
    this.stillness = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Turns the camera by arrow keys; + and - bring it nearer and farther. False for other keys. */
  key(key: string): boolean {
    const move = this.keys[key];
    if (!move) return false;
    this.taken();
    move();
    this.moved();
    return true;
  }

  /** Turns around what is looked at; from above there is nothing to turn, and the picture moves. */
  private turn(left: number, up: number): void {
    const { controls } = this;
    if (this.flat) controls.pan(left * SHIFT, up * SHIFT);
    else if (left !== 0) controls.rotateLeft(left * TURN);
    else controls.rotateUp(up * TURN);
  }

  /** The user moves it. */
  private taken(): void {
    this.free = false;
    this.byUser = true;
    this.flight = null;
    this.limit();
  }

  /** The way the first view is seen: of the map, or of places that this browser has found. */
  chart(isMap: boolean): void {
    this.home = isMap ? MAP_DIRECTION : HOME_DIRECTION;
  }

  /** Looks at the picture from above, where it can only be moved and come nearer; or no longer. */
  setFlat(flat: boolean, extent: Extent, now: number): void {
    if (flat === this.flat) return;
    this.flat = flat;
    const { controls } = this;
    controls.mouseButtons.LEFT = flat ? MOUSE.PAN : MOUSE.ROTATE;
    controls.mouseButtons.RIGHT = flat ? MOUSE.ROTATE : MOUSE.PAN;
    controls.touches.ONE = flat ? TOUCH.PAN : TOUCH.ROTATE;
    controls.zoomToCursor = flat;
    this.free = true;
    this.byUser = false;
    this.goTo(extent.centre, this.first, this.fitting(extent, this.first), now);
  }

  private get first(): Vector3 {
    return this.flat ? ABOVE : this.home;
  }

  /** From above, the camera neither tilts nor turns once it is there. */
  private limit(): void {
    const { controls } = this;
    const held = this.flat && this.flight === null;
    controls.maxPolarAngle = held ? 1e-4 : 0.92 * Math.PI;
    controls.minAzimuthAngle = held ? 0 : -Infinity;
    controls.maxAzimuthAngle = held ? 0 : Infinity;
  }

  /** Something happened at `now`: the drift goes on for `DRIFT_MS` from here. */
  stir(now: number): void {
    this.stirredAt = now;
  }

  get pose(): Pose {
    const { position } = this.camera;
    const { target } = this.controls;
    return { position: position.toArray(), target: target.toArray() };
  }

  /** Glides to a pose, or jumps there under reduced motion. */
  takePose({ position, target }: Pose, now: number): void {
    this.free = false;
    this.calm();
    this.byUser = false;
    const [to, from] = [new Vector3().fromArray(target), new Vector3().fromArray(position)];
    // From above, all storeys lie in one plane.
    if (this.flat) [from.y, to.y] = [from.y - to.y, 0];
    this.move(to, from, now, FOLLOW_MS, easeOut);
  }

  /** Ends the swing after a drag, which would otherwise go on after the flight. */
  private calm(): void {
    const place = this.camera.position.clone();
    this.controls.enableDamping = false;
    this.controls.update();
    this.camera.position.copy(place);
  }

  /** `listener` gets the pose while the user moves the camera, and at the end of the movement. */
  onPose(listener: (pose: Pose) => void): void {
    this.poseListeners.add(listener);
  }

  /** Canvas size, and the part of it that no panel covers. */
  resize(width: number, height: number, stage: Box): void {
    this.height = height;
    this.stage = stage;
    this.camera.aspect = width / height;
    const shiftX = width / 2 - (stage.left + stage.width / 2);
    const shiftY = height / 2 - (stage.top + stage.height / 2);
    this.camera.setViewOffset(width, height, shiftX, shiftY, width, height);
    this.camera.updateProjectionMatrix();
  }

  /** Advances flight, drift and damping. */
  update(now: number, mayDrift: boolean): Motion {
    const resting = this.flight === null && !this.flat && !this.stillness.matches;
    const drift = mayDrift && this.free && resting;
    this.controls.autoRotate = drift && now - this.stirredAt < DRIFT_MS;
    this.controls.enableDamping = !this.stillness.matches;
    const flying = this.flight !== null;
    if (this.flight) this.fly(this.flight, now);
    const seconds = (now - this.updatedAt) / 1000;
    this.controls.dampingFactor = 1 - DAMPING ** seconds;
    this.updating = true;
    const turned = this.controls.update(Math.min(0.1, seconds));
    this.updating = false;
    this.updatedAt = now;
    const moving = flying || (turned && !this.controls.autoRotate);
    this.tell(now);
    if (moving) return "moving";
    return this.controls.autoRotate ? "drifting" : "still";
  }

  /** World size of a pixel at distance 1. */
  get pixel(): number {
    return (2 * Math.tan((FIELD_OF_VIEW * Math.PI) / 360)) / this.height;
  }

  /** The canvas, in CSS pixels. */
  get size(): { width: number; height: number } {
    return { width: this.height * this.camera.aspect, height: this.height };
  }

  get distance(): number {
    return this.camera.position.distanceTo(this.controls.target);
  }

  /** Shows everything, from the direction in which the camera stands. */
  fit(extent: Extent, now: number, byUser = false): void {
    this.byUser = byUser;
    const direction = this.camera.position.clone().sub(this.controls.target).normalize();
    this.goTo(extent.centre, direction, this.fitting(extent, direction), now);
  }

  /** Shows everything from the first direction, and lets the camera drift again. */
  reset(extent: Extent, now: number, byUser = true): void {
    this.free = true;
    this.byUser = byUser;
    this.goTo(extent.centre, this.first, this.fitting(extent, this.first), now);
  }

  /** The distance that shows everything from where the camera stands. */
  fittingNow(extent: Extent): number {
    const direction = this.camera.position.clone().sub(this.controls.target).normalize();
    return this.fitting(extent, direction);
  }

  /** Whether the picture is too large for the view, or leaves much of it empty. */
  misfits(extent: Extent): boolean {
    const direction = this.camera.position.clone().sub(this.controls.target).normalize();
    const ratio = this.fitting(extent, direction) / this.distance;
    return this.flight === null && (ratio > 1.04 || ratio < 0.6);
  }

  /** Flies to a node: to `share` of the distance that shows everything, and never farther away. */
  visit(place: Vector3, extent: Extent, now: number, share = 0.6): void {
    this.free = false;
    this.byUser = true;
    const direction = this.camera.position.clone().sub(this.controls.target).normalize();
    const distance = Math.min(this.distance, share * this.fitting(extent, direction));
    this.goTo(place.clone().setY(this.flat ? 0 : place.y), direction, distance, now);
  }

  private goTo(target: Vector3, direction: Vector3, distance: number, now: number): void {
    this.move(target, direction.clone().multiplyScalar(distance).add(target), now);
  }

  private move(
    toTarget: Vector3,
    toPosition: Vector3,
    now: number,
    duration = FLIGHT_MS,
    ease = easeInOut,
  ): void {
    this.moved();
    this.untold = this.byUser;
    if (this.stillness.matches) {
      this.controls.target.copy(toTarget);
      this.camera.position.copy(toPosition);
      this.flight = null;
      this.limit();
      return;
    }
    const from = around(this.camera.position, this.controls.target);
    const to = around(toPosition, toTarget);
    if (this.flat) to.set(to.radius, 1e-4, 0);
    to.theta += 2 * Math.PI * Math.round((from.theta - to.theta) / (2 * Math.PI));
    const way = this.controls.target.distanceTo(toTarget);
    const near = Math.min(from.radius, to.radius);
    const arcs = ease === easeInOut;
    this.flight = {
      start: now,
      duration: duration + (arcs ? LONGER_MS * Math.min(1, way / (4 * near)) : 0),
      ease,
      fromTarget: this.controls.target.clone(),
      toTarget: toTarget.clone(),
      from,
      to,
      hop: arcs ? Math.max(0, ARC * way - 0.2 * near) : 0,
    };
    this.limit();
  }

  /** Milliseconds until a pose is to be told, Infinity if there is none. */
  due(now: number): number {
    return this.untold ? Math.max(1, this.toldAt + TELL_MS - now) : Infinity;
  }

  /** A drag moves the camera between frames, so that a frame cannot know whether it rests. */
  private tell(now: number): void {
    if (!this.untold || now - this.toldAt < TELL_MS) return;
    this.untold = false;
    this.toldAt = now;
    for (const listener of this.poseListeners) listener(this.pose);
  }

  private fly(flight: Flight, now: number): void {
    const t = Math.min(1, (now - flight.start) / flight.duration);
    const eased = flight.ease(t);
    this.untold = this.byUser;
    const { from, to } = flight;
    const between = (a: number, b: number): number => a + (b - a) * eased;
    this.controls.target.lerpVectors(flight.fromTarget, flight.toTarget, eased);
    const radius = from.radius * (to.radius / from.radius) ** eased;
    const arc = flight.hop * Math.sin(Math.PI * eased);
    this.camera.position
      .setFromSphericalCoords(
        radius + arc,
        between(from.phi, to.phi),
        between(from.theta, to.theta),
      )
      .add(this.controls.target);
    if (t < 1) return;
    this.flight = null;
    this.limit();
  }

  /**
   * The distance from which the cylinder just fits the stage. Its height is checked at the nearest
   * and farthest points of both rims, its width at their sides; the largest distance counts.
   */
  private fitting({ radius, halfHeight }: Extent, direction: Vector3): number {
    const slope = Math.tan((FIELD_OF_VIEW * Math.PI) / 360) / this.height;
    const sine = Math.abs(direction.y);
    const cosine = Math.sqrt(1 - sine * sine);
    const across = radius * Math.hypot(1 / (slope * this.stage.width), cosine) + halfHeight * sine;
    const upright = [1, -1].flatMap((height) =>
      [1, -1].map((side) => {
        const up = height * halfHeight * cosine - side * radius * sine;
        const towards = side * radius * cosine + height * halfHeight * sine;
        return Math.abs(up) / (slope * this.stage.height) + towards;
      }),
    );
    return MARGIN * Math.max(across, ...upright);
  }
}

function around(position: Vector3, target: Vector3): Spherical {
  return new Spherical().setFromVector3(position.clone().sub(target));
}

function easeInOut(t: number): number {
  return t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2;
}

/** For a camera that is moving already: a slow start at every new pose would never catch up. */
function easeOut(t: number): number {
  return 1 - (1 - t) ** 2;
}
