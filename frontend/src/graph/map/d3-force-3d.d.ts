/** The part of d3-force-3d that the layout uses; the package brings no types. */

declare module "d3-force-3d" {
  export interface SimulationNode {
    x: number;
    y: number;
    z: number;
    fx?: number;
    fy?: number;
    fz?: number;
    index?: number;
  }

  export interface Force<N> {
    (alpha: number): void;
    initialize?: (nodes: N[]) => void;
  }

  export interface Simulation<N extends SimulationNode> {
    nodes(nodes: N[]): this;
    force(name: string, force: Force<N> | null): this;
    alpha(alpha: number): this;
    alphaDecay(decay: number): this;
    velocityDecay(decay: number): this;
    tick(iterations?: number): this;
    stop(): this;
  }

  export interface LinkForce<N, L> extends Force<N> {
    links(links: L[]): this;
    distance(distance: number): this;
    strength(strength: (link: L) => number): this;
  }

  export interface ManyBodyForce<N> extends Force<N> {
    strength(strength: number): this;
    distanceMax(distance: number): this;
    theta(theta: number): this;
  }

  export interface AxisForce<N> extends Force<N> {
    strength(strength: number): this;
  }

  export function forceSimulation<N extends SimulationNode>(
    nodes: N[],
    dimensions: 3,
  ): Simulation<N>;
  export function forceLink<N, L>(links: L[]): LinkForce<N, L>;
  export function forceManyBody<N>(): ManyBodyForce<N>;
  export function forceX<N>(x: number): AxisForce<N>;
  export function forceY<N>(y: (node: N) => number): AxisForce<N>;
  export function forceZ<N>(z: number): AxisForce<N>;
}
