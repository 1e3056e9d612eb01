/** The timeline: all tokens of a generation on one strip, to scrub and to play. */
import { hueAmong, rgbOf, themed } from "../graph/palette";
import type { Feature } from "../state/feature";
import { strength } from "../state/light";
import type { Token } from "../state/log";
import type { Session } from "../state/session";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId, h, setText } from "./dom";
import { keptDisplayPace } from "../state/settings";
import { roomFor, Strip, type Track } from "./strip";
import { shownText } from "./tokens";
import { DISPLAY_PACES, SAY, STAGE } from "../words";
import { sayAhead } from "../words/stage";

/** A strip has room for at least this many tokens, so that a short text has narrow ticks, too. */
const SHORTEST = 40;

export class Timeline {
  private readonly strip: Strip;
  private readonly playButton = byId("play", HTMLButtonElement);
  private readonly back = byId("step-back", HTMLButtonElement);
  private readonly forward = byId("step-forward", HTMLButtonElement);
  private readonly live = byId("live", HTMLButtonElement);
  private readonly speed = byId("speed", HTMLSelectElement);
  private readonly place = byId("place");
  private readonly ahead = byId("ahead");
  private readonly runs = byId("runs");
  private readonly levels = new Levels();

  constructor(private readonly store: Store) {
    const { playhead: player } = store;
    this.strip = new Strip(byId("strip"), {
      seek: (index) => player.seek(index),
      say: (index) => sayToken(store, index),
      key: (event) => {
        if (event.key !== " ") return;
        event.preventDefault();
        player.toggle();
      },
    });
    this.listen();
    follow(this.update);
    // A hover changes the strip alone.
    follow(() => this.strip.show(this.track()));
  }

  private listen(): void {
    const { playhead: player } = this.store;
    const actions: [string, () => void][] = [
      ["play", () => { player.toggle(); }],
      ["step-back", () => { player.step(-1); }],
      ["step-forward", () => { player.step(1); }],
      ["live", () => { player.toEnd(); }],
      ["previous-run", () => { player.go(-1); }],
      ["next-run", () => { player.go(1); }],
    ]; // prettier-ignore
    for (const [id, action] of actions) byId(id).addEventListener("click", action);
    this.speed.append(...DISPLAY_PACES.map(({ value, name }) => h("option", { value }, name)));
    this.speed.setAttribute("aria-label", STAGE.pace);
    this.speed.title = STAGE.paceHelp;
    this.speed.addEventListener("change", () => {
      keptDisplayPace.save(this.speed.value);
      player.setPace(Number(this.speed.value));
    });
  }

  private readonly update = (): void => {
    const { store } = this;
    const { at, length, playing, followsLive, pace, token } = store.playhead;
    const bySteps = pace === 0;
    const moving = !bySteps && (playing || followsLive);
    setText(this.playButton, moving ? SAY.pause : bySteps ? STAGE.next : SAY.play);
    this.playButton.title = bySteps ? STAGE.nextHelp : SAY.playHelp;
    this.playButton.classList.toggle("moving", moving);
    this.playButton.disabled = length === 0 || (bySteps && at >= length - 1);
    this.back.disabled = at <= 0;
    this.forward.disabled = at >= length - 1;
    setText(this.live, store.origin === "recording" ? SAY.end : SAY.live);
    this.live.title = store.origin === "recording" ? SAY.toEnd : SAY.toNewest;
    this.live.disabled = token === null && store.session.ahead === 0;
    this.live.classList.toggle("on", followsLive);
    setText(this.place, length === 0 ? "" : `${at + 1} / ${length}`);
    const ahead = sayAhead(store);
    setText(this.ahead, ahead ? ahead.text + ahead.count : "");
    if (document.activeElement !== this.speed) this.speed.value = nearest(pace);
    this.updateRuns();
  };

  private updateRuns(): void {
    const { run, runs } = this.store.playhead;
    this.runs.hidden = runs < 2;
    setText(byId("run"), SAY.generation(run + 1, runs));
    byId("previous-run", HTMLButtonElement).disabled = run <= 0;
    byId("next-run", HTMLButtonElement).disabled = run >= runs - 1;
  }

  private track(): Track {
    const { store } = this;
    const { session, playhead } = store;
    const { at, length } = playhead;
    const room = store.playhead.generatesLive
      ? roomFor(length, mostOf(session))
      : Math.max(length, SHORTEST);
    const feature = store.attended;
    const common = { length: room, known: length, at };
    if (!feature) {
      // The strongest activation of any, in no source's hue.
      const neutral = rgbOf(themed("quiet"));
      return { ...common, values: this.levels.follow(store), hue: neutral };
    }
    const hue = hueAmong(store.sourceIds(), feature.source);
    return { ...common, values: sharesOf(session, feature), hue };
  }
}

/** A feature's strength at every token of the run so far. */
export function sharesOf(session: Session, feature: Feature): Float32Array {
  const shares = new Float32Array(session.tokens.length);
  const { at, activation } = session.firingsOf(feature);
  const scale = session.scaleOf(feature);
  at.forEach((index, i) => {
    shares[index] = strength(activation[i] ?? 0, scale);
  });
  return shares;
}

/** The text for a token on a strip: its place and its own text. */
export function sayToken(store: Store, index: number): string {
  const token = store.session.tokens[index];
  const place = SAY.token(index + 1, store.playhead.length);
  return token ? `${place}: ${SAY.quoted(shownText(token))}` : place;
}

/** The most tokens that a running generation can have. */
function mostOf({ run, log }: Session): number {
  const most = run?.params.max_tokens;
  return (log?.given ?? 0) + (typeof most === "number" ? most : Infinity);
}

/** The pace on offer that is nearest to one that was kept. */
function nearest(pace: number): string {
  return DISPLAY_PACES.find(({ value }) => pace <= Number(value))?.value ?? String(Infinity);
}

/** Each token's strongest activation among the sources that are shown, as a share of the highest. */
class Levels {
  private values: number[] = [];
  private shares: number[] = [];
  private most = 0;
  private session: Session | null = null;
  private runs = -1;
  private hidden: ReadonlySet<string> | null = null;

  /** Takes in the tokens that came since, or all if the run or the sources have changed. */
  follow(store: Store): readonly number[] {
    const { session, hidden } = store;
    if (session !== this.session || session.runs !== this.runs || hidden !== this.hidden) {
      [this.session, this.runs, this.hidden] = [session, session.runs, hidden];
      [this.values, this.shares, this.most] = [[], [], 0];
    }
    let { most } = this;
    for (const token of session.tokens.slice(this.values.length)) {
      const value = strongestOf(token, store);
      this.values.push(value);
      most = Math.max(most, value);
    }
    if (most > this.most) this.shares = [];
    this.most = most;
    for (const value of this.values.slice(this.shares.length)) {
      this.shares.push(most > 0 ? value / most : 0);
    }
    return this.shares;
  }
}

function strongestOf(token: Token, store: Store): number {
  let most = 0;
  token.eachActive(({ source }, activation) => {
    if (activation > most && store.shows(source)) most = activation;
  });
  return most;
}
