/** Runs the layout off the main thread: a message in, the newcomers' positions out. */
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

scope.onmessage = ({ data }) => {
  const positions = layout.add(data.newcomers, data.ties);
  const indices = data.newcomers.map((newcomer) => newcomer.index);
  scope.postMessage({ indices, positions }, [positions.buffer]);
};
