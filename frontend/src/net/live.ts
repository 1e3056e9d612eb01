/** The page's connection to its room: joining and rejoining, the model in use, and access. */
import { forgetTokens, keptAccess, loadToken, saveToken, voterName } from "../state/settings";
import type { Backend, Store } from "../state/store";
import type { ErrorFrame, Frame, RoomFrame, ViewFrame } from "../wire/types";
import { SAY } from "../words";
import { adviceOn, mayGenerate, sayProblem } from "../words/status";
import { gatewayModels, ModelWatch } from "./backend";
import { browserEnvironment, type Resume, RoomSocket } from "./room-socket";
import { at, showAccess } from "./server";

/** Time between two queries of the model. */
const MODEL_MS = 30_000;
const BEGINNINGS: ReadonlySet<string> = new Set(["queued", "started"]);
/** Errors after which the model may have changed or gone. */
const MODEL_ERRORS = new Set(["not_ready", "backend_lost", "unknown_source", "unknown_model"]);

/** What the room's frames mean for the rest of the page. */
export interface Told {
  /** A generation begins. */
  begun(): void;
  /** The presenter looks elsewhere. */
  view(frame: ViewFrame): void;
}

export class Live {
  private roomWanted = /\/r\/([\w-]+)\/?$/.exec(location.pathname)?.[1] ?? null;
  private token: string | null;
  private connected = false;
  private told: Told | null = null;
  private readonly socket: RoomSocket;
  private readonly models: ModelWatch;

  constructor(
    private readonly store: Store,
    query: URLSearchParams,
  ) {
    this.token = query.get("access") ?? keptAccess.load();
    keptAccess.save(this.token);
    showAccess(this.token);
    forgetInAddress("access");
    this.models = new ModelWatch(gatewayModels, (backend) => {
      store.set({ backend });
      this.connectOnce(backend);
    });
    this.socket = new RoomSocket(
      { ...browserEnvironment, access: () => this.token, voter: voterName },
      {
        resume: () => this.resume(),
        frame: (frame) => this.receive(frame),
        state: (connection) => {
          if (connection.state === "waiting") store.room.interrupted();
          // After a break, another model may be running.
          if (connection.state === "open") this.models.look();
          store.set({ connection });
        },
        wordsFor: ({ error: code, message, field, retry_after: retryAfter = null }) =>
          sayProblem({ code, message, field, retryAfter }).replace(/\.$/u, ""),
        refused: (frame) => this.refused(frame),
        broken: (error) => console.error(`a frame was skipped: ${error.message}`),
      },
    );
  }

  /** Whether this page was opened by somebody else's link, to watch. */
  get watches(): boolean {
    return this.roomWanted !== null && loadToken(this.roomWanted) === undefined;
  }

  /** The access token, if one was given. */
  get access(): string | null {
    return this.token;
  }

  start(told: Told): void {
    this.told = told;
    addEventListener("offline", () => this.socket.giveUp(SAY.offline));
    addEventListener("online", () => this.hurry());
    // The server does not say when another model starts, so the page asks if it may generate.
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

  /** Connects at once if the page is waiting to reconnect. */
  hurry(): void {
    this.socket.hurry();
  }

  chooseModel(model: string | null): void {
    this.models.choose(model);
  }

  /** Connects again with an access token. */
  enter(token: string): void {
    this.token = token;
    keptAccess.save(token);
    showAccess(token);
    this.models.look();
    this.store.room.stream.forgive();
    this.socket.reopen();
  }

  /** Forgets all tokens, for the next person at this computer, and begins anew. */
  leave(): void {
    forgetTokens();
    location.href = at("").href;
  }

  /** A new room is opened once a model is ready; watching a room needs no model. */
  private connectOnce(backend: Backend): void {
    const locked = backend.state === "loading" && backend.locked === true;
    const waits = backend.state !== "ready" && !locked && this.roomWanted === null;
    if (this.connected || waits) return;
    this.connected = true;
    this.socket.connect();
  }

  /** The room to join: the one the page was in, the one in the address, or a new one (null). */
  private resume(): Resume | null {
    const { room, presence } = this.store;
    if (presence) {
      const token = presence.presenter_token ?? loadToken(presence.room) ?? null;
      const { epoch } = presence;
      return { room: presence.room, epoch, from: room.stream.lastSeq + 1, token };
    }
    if (this.roomWanted === null) return null;
    return { room: this.roomWanted, from: 1, token: loadToken(this.roomWanted) ?? null };
  }

  private receive(frame: Frame): void {
    if (frame.type === "room") moveIn(frame);
    if (this.tellsOfAnotherModel(frame)) this.models.look();
    if (frame.type === "view") this.told?.view(frame);
    else if (this.store.apply(frame) && BEGINNINGS.has(frame.type)) this.told?.begun();
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
   * Whether to try again. Without access, the page waits for a token. If the room is gone, the
   * page that opened it opens a new one, and a viewer's page only says so.
   */
  private refused({ error }: ErrorFrame): boolean {
    if (error === "no_access") return this.gone(error);
    if (error !== "unknown_room") return true;
    if (this.watches) return this.gone(error);
    this.roomWanted = null;
    this.store.room.leave();
    return true;
  }

  private gone(code: string): false {
    this.store.set({ connection: { state: "gone", message: adviceOn(code) ?? "", code } });
    return false;
  }
}

/**
 * Puts the address of a published room into the address bar, so that it can be shared and a reload
 * returns to the room.
 */
function moveIn({ room, published, presenter_token: token }: RoomFrame): void {
  if (token !== undefined) saveToken(room, token);
  if (published === false) return;
  const path = at(`r/${room}`).pathname;
  if (location.pathname !== path) history.replaceState(null, "", path + location.search);
}

/** Takes a secret out of the address, which may be shared. */
function forgetInAddress(name: string): void {
  const url = new URL(location.href);
  if (!url.searchParams.has(name)) return;
  url.searchParams.delete(name);
  history.replaceState(null, "", url.pathname + url.search);
}
