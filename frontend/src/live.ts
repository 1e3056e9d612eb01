/** The page's life in a room: coming in and back, the model that is there, and who may enter. */
import { gatewayModels, ModelWatch } from "./net/backend";
import { browserEnvironment, type Resume, RoomSocket } from "./net/room-socket";
import type { Backend, Store } from "./session/store";
import { loadAccess, loadToken, saveAccess, saveToken } from "./ui/settings";
import { ADVICE, mayGenerate, sayProblem } from "./ui/words";
import type { ErrorFrame, Frame, RoomFrame } from "./wire/types";

/** Time between two looks at the model. */
const MODEL_MS = 30_000;
/** Errors after which the model is another one, or none. */
const MODEL_ERRORS = new Set(["not_ready", "backend_lost", "unknown_source", "unknown_model"]);

export class Live {
  private roomWanted = /^\/r\/([\w-]+)\/?$/.exec(location.pathname)?.[1] ?? null;
  private token: string | null;
  private connected = false;
  private readonly socket: RoomSocket;
  private readonly models: ModelWatch;

  /** `take` gets each frame in turn. */
  constructor(
    private readonly store: Store,
    query: URLSearchParams,
    private readonly take: (frame: Frame) => void,
  ) {
    this.token = query.get("access") ?? loadAccess();
    saveAccess(this.token);
    forgetInAddress("access");
    this.models = new ModelWatch(gatewayModels, (backend) => {
      store.set({ backend });
      this.connectOnce(backend);
    });
    this.socket = new RoomSocket(
      { ...browserEnvironment, access: () => this.token },
      {
        resume: () => this.resume(),
        frame: (frame) => {
          this.receive(frame);
        },
        state: (connection) => {
          if (connection.state === "waiting") store.session.interrupted();
          // After a break, another model may be there.
          if (connection.state === "open") this.models.look();
          store.set({ connection });
        },
        wordsFor: ({ error: code, message, field, retry_after: retryAfter = null }) =>
          sayProblem({ code, message, field, retryAfter }).replace(/\.$/u, ""),
        refused: (frame) => this.refused(frame),
        broken: (error) => {
          console.error(`a frame was skipped: ${error.message}`);
        },
      },
    );
  }

  /** Whether this page came by another's link, to watch. */
  get watches(): boolean {
    return this.roomWanted !== null && loadToken(this.roomWanted) === undefined;
  }

  /** The access token, where one was given. */
  get access(): string | null {
    return this.token;
  }

  start(): void {
    addEventListener("offline", () => {
      this.socket.giveUp("This device is offline");
    });
    addEventListener("online", () => {
      this.hurry();
    });
    // Nobody tells a page that another model was started; who may use it asks now and then.
    const look = (): void => {
      if (this.connected && !document.hidden && mayGenerate(this.store)) this.models.look();
    };
    setInterval(look, MODEL_MS);
    document.addEventListener("visibilitychange", look);
    this.connectOnce(this.store.backend);
    this.models.look();
  }

  /** Sends one message. False when there is no connection: nothing was sent. */
  send(message: object): boolean {
    return this.socket.send(message);
  }

  /** Connects at once where a connection is waited for. */
  hurry(): void {
    this.socket.hurry();
  }

  /** Comes into the room anew: what it has streamed is told from its beginning. */
  comeBack(): void {
    this.socket.reopen();
  }

  chooseModel(model: string | null): void {
    this.models.choose(model);
  }

  /** Comes in with an access token. */
  enter(token: string): void {
    this.token = token;
    saveAccess(token);
    this.store.session.problem = null;
    this.socket.reopen();
  }

  /** A room of one's own is opened when there is a model for it; watching needs none. */
  private connectOnce(backend: Backend): void {
    if (this.connected || (backend.state !== "ready" && this.roomWanted === null)) return;
    this.connected = true;
    this.socket.connect();
  }

  /** Where to come in: the room we were in, the one in the address, or a new one. */
  private resume(): Resume | null {
    const { room, lastSeq } = this.store.session;
    if (room) {
      const token = room.presenter_token ?? loadToken(room.room) ?? null;
      // A recording counts its own frames: of the room's log nothing has been seen yet.
      if (this.store.origin !== "live") return { room: room.room, from: 1, token };
      return { room: room.room, epoch: room.epoch, from: lastSeq + 1, token };
    }
    if (this.roomWanted === null) return null;
    return { room: this.roomWanted, from: 1, token: loadToken(this.roomWanted) ?? null };
  }

  private receive(frame: Frame): void {
    if (frame.type === "room") moveIn(frame);
    if (this.tellsOfAnotherModel(frame)) this.models.look();
    this.take(frame);
  }

  private tellsOfAnotherModel(frame: Frame): boolean {
    if (frame.type === "error") return MODEL_ERRORS.has(frame.error);
    if (frame.type !== "started") return false;
    const { backend } = this.store;
    if (backend.state !== "ready") return true;
    const { model, models } = backend.model;
    return frame.model !== model && !models.some((other) => other.model === frame.model);
  }

  /**
   * A token may be entered. A room that is gone: whoever opened it opens a new one, a viewer can
   * only be told.
   */
  private refused({ error }: ErrorFrame): boolean {
    if (error === "no_access") return this.gone(error);
    if (error !== "unknown_room") return true;
    if (this.watches) return this.gone(error);
    this.roomWanted = null;
    this.store.session.leave();
    return true;
  }

  private gone(code: string): false {
    this.store.set({ connection: { state: "gone", message: ADVICE[code] ?? "", code } });
    return false;
  }
}

/**
 * The address becomes that of a room which others can find: it can be passed on, and a reload leads
 * back into the room.
 */
function moveIn({ room, published, presenter_token: token }: RoomFrame): void {
  if (token !== undefined) saveToken(room, token);
  if (published === false) return;
  const path = `/r/${room}`;
  if (location.pathname !== path) history.replaceState(null, "", path + location.search);
}

/** Secrets do not belong where they are passed on. */
function forgetInAddress(name: string): void {
  const url = new URL(location.href);
  if (!url.searchParams.has(name)) return;
  url.searchParams.delete(name);
  history.replaceState(null, "", url.pathname + url.search);
}
