/** Runs the layout off the main thread: a message in, the newcomers' positions out. */
import { Atlas } from "./atlas";
import { Layout, type Newcomer, type Tie } from "./layout";

export interface PlaceRequest {
  newcomers: Newcomer[];
  ties: Tie[];
}

export interface PlaceReply {
  indices: number[];
  positions: Float32Array;
}

/** The worker's own `postMessage`; the DOM library types only the window's. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<PlaceRequest>) => void;
  postMessage(reply: PlaceReply, transfer: Transferable[]): void;
};

const layout = new Layout();
const atlas = new Atlas();
const loaded = new Set<string>();

// The next request comes only after this one's answer, so two never overlap.
scope.onmessage = ({ data }) => {
  // A rejected promise would stay in the worker; this tells the page.
  answer(data).catch(reportError);
};

async function answer({ newcomers, ties }: PlaceRequest): Promise<void> {
  const levels = new Map(newcomers.map(({ source, level }) => [source, level]));
  await Promise.all([...levels].map(([source, level]) => load(source, level)));
  const positions = layout.add(newcomers, ties);
  for (const source of levels.keys()) keep(source, newcomers, positions);
  const indices = newcomers.map((newcomer) => newcomer.index);
  scope.postMessage({ indices, positions }, [positions.buffer]);
}

async function load(source: string, level: number): Promise<void> {
  if (loaded.has(source)) return;
  loaded.add(source);
  const chart = await atlas.load(source);
  if (chart) layout.know(source, level, chart.ids, chart.spots);
}

/** Stores a source's new places. Heights are relative to the storey, whose level may change. */
function keep(source: string, newcomers: readonly Newcomer[], positions: Float32Array): void {
  const own = [...newcomers.entries()].filter(([, newcomer]) => newcomer.source === source);
  const ids = Uint32Array.from(own, ([, { id }]) => id);
  const spots = own.flatMap(([i, { level }]) => {
    const [x = 0, y = 0, z = 0] = positions.subarray(3 * i, 3 * i + 3);
    return [x, y - level, z];
  });
  void atlas.keep(source, { ids, spots: Float32Array.from(spots) });
}
