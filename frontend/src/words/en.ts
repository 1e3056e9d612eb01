/** What the page says, in English: terms, settings, errors, keys, examples. */
import type { KnobName } from "../wire/model";
import type { Edit } from "../wire/types";

/** The words of the field, each explained in a line. */
export const MEANINGS = {
  feature:
    "A feature is a direction in the model's state that a sparse autoencoder found. It fires where the text has what it stands for.",
  activation: "How strongly a feature fires at a token, in the autoencoder's own units.",
  share: "The activation as a share of this feature's highest known activation.",
  source:
    "A source is one sparse autoencoder: it splits the state of one layer into named features.",
  L0: "How many features of a source are active at this token, shown or not.",
  missed: "Share of the layer's state that the autoencoder does not reproduce; 0% is perfect.",
  density: "Share of the tokens of a large text at which the feature fires.",
  explainer:
    "Who wrote the label, usually a language model that read texts where the feature fires.",
  score: "How well the label predicts where the feature fires; 1 is best.",
  peak: "Its highest activation here, and the highest known.",
  probability:
    "The probability that the model itself gave this token, before temperature and the like.",
  promotes:
    "Tokens that the feature makes more likely to come next, by its weights alone. One unit of activation adds the number to their logit.",
  suppresses: "Tokens that the feature makes less likely to come next, by its weights alone.",
  alike:
    "Features of the same source whose decoder vectors point nearly the same way: 1 is the same direction.",
  kin: "Of each other source, the feature with the most similar decoder vector. ⇄: mutual.",
  alternatives: "The likeliest tokens here, by the model's own probabilities.",
  edited: "An edit has changed this feature's activation here: from what it was to what it became.",
  together:
    "Features that fired at the same tokens of this text. The bar says how much more often than chance.",
} as const;

export type Term = keyof typeof MEANINGS;

export interface KnobText {
  label: string;
  /** The value in the folded line, e.g. "temperature 0.8". */
  brief: (value: string) => string;
  help: string;
  step: string;
}

export const KNOB_TEXTS: Readonly<Record<KnobName, KnobText>> = {
  temperature: {
    label: "Temperature",
    brief: (value) => `temperature ${value}`,
    help: "How freely the model picks. 0 always takes the likeliest token.",
    step: "0.1",
  },
  top_k: {
    label: "Top-K",
    brief: (value) => `top-K ${value === "0" ? "off" : value}`,
    help: "Picks among this many likeliest tokens only. 0 keeps all.",
    step: "1",
  },
  top_p: {
    label: "Top-P",
    brief: (value) => `top-P ${value === "1" ? "off" : value}`,
    help: "Picks among the fewest tokens whose probabilities reach this sum. 1 keeps all.",
    step: "0.05",
  },
  repetition_penalty: {
    label: "Repetition penalty",
    brief: (value) => `repetition ${value === "1" ? "free" : value}`,
    help: "Above 1, tokens that already occurred become less likely. 1 changes nothing.",
    step: "0.05",
  },
  max_tokens: {
    label: "Max tokens",
    brief: (value) => `${value} tokens`,
    help: "How many tokens the model may write.",
    step: "1",
  },
  feat_k: {
    label: "Features per token",
    brief: (value) => `${value} features`,
    help: "The strongest features shown at each token, for each source.",
    step: "1",
  },
  act_threshold: {
    label: "Activation threshold",
    brief: (value) => `above ${value}`,
    help: "Features at or below this activation are not shown.",
    step: "0.1",
  },
  seed: {
    label: "Seed",
    brief: (value) => (value === "" ? "new seed" : `seed ${value}`),
    help: "The same seed and settings give the same text. Empty draws a new one each time.",
    step: "1",
  },
};

export const PACE = {
  label: "Pace",
  help: "How fast the model writes. A slow model is never made faster.",
  usual: "10",
};

/** Tokens a second, and what they are called; 0 is as fast as it goes. */
export const PACES: readonly [value: string, name: string][] = [
  ["0", "as fast as it goes"],
  ["10", "10 tokens a second"],
  ["2", "2 tokens a second"],
];

/** What the dial of a feature does to it. `scale` is the factor; null leaves it as it is. */
export const TURNS: readonly { name: string; help: string; scale: number | null }[] = [
  { name: "Off", help: "Leaves the feature as it is.", scale: null },
  { name: "Silence", help: "Where the feature fires, it is set to 0.", scale: 0 },
  { name: "×2", help: "Where the feature fires, it fires twice as strongly.", scale: 2 },
  { name: "×4", help: "Where the feature fires, it fires four times as strongly.", scale: 4 },
  {
    name: "Minus",
    help: "Where the feature fires, its direction is taken away from the model's state instead of added.",
    scale: -1,
  },
];

export const REACH = {
  dial: "Turn this feature",
  replace: "Put another in place of it",
  replaceHelp:
    "Where the feature fires, it is set to 0, and another one of this source fires in place of it, as strongly.",
  find: "Another feature of this source",
  nothingFound: "No other feature of this source has this label or index.",
  full: "Eight edits are the most that a text can have. Remove one first.",
  onlyPresenter: "Only the presenter can edit features in this room.",
  otherModel: "The model that is there has no such source.",
  edits: "Edits",
  inForce: "in force",
  inForceHere: "in force at this token",
  notYet: "not in force yet",
  next: "from the next Generate on",
  twin: "Beside the untouched twin",
  twinHelp:
    "Writes the text twice from the same seed, as is and with the edits. What differs comes from the edits.",
  parting: "The texts part here.",
  refused: "Not taken",
  onShow: "on show",
  choose: "Show this text in the graph and the lists",
} as const;

/** What an edit does, after the name of its feature. */
export function effectOf({ set, scale, add }: Pick<Edit, "set" | "scale" | "add">): string {
  if (scale === 0) return "silenced";
  if (scale === -1) return "minus";
  if (scale !== undefined) return `×${scale}`;
  if (set !== undefined) return `set to ${set}`;
  return `${(add ?? 0) < 0 ? "−" : "+"}${Math.abs(add ?? 0)}`;
}

/** A style of writing: values for the style knobs; those not named get the model's defaults. */
export interface Preset {
  label: string;
  help: string;
  values: Partial<Record<KnobName, string>>;
}

/** The knobs that a preset sets; length, features and seed are left alone. */
export const STYLE_KNOBS: readonly KnobName[] = [
  "temperature",
  "top_k",
  "top_p",
  "repetition_penalty",
];

export const PRESETS: readonly Preset[] = [
  { label: "The model's own", help: "The model's default values.", values: {} },
  {
    label: "Calm",
    help: "Picks likely tokens, with few surprises.",
    values: { temperature: "0.4", top_p: "0.9" },
  },
  {
    label: "Creative",
    help: "Picks unlikely tokens more often, but leaves out the most unlikely ones.",
    values: { temperature: "1.2", top_p: "0.95" },
  },
  {
    label: "No repetition",
    help: "Makes tokens that already occurred less likely.",
    values: { repetition_penalty: "1.3" },
  },
];

/** Errors whose own message is shown: it says best what is wrong with which field. */
export const ITS_OWN_WORDS: readonly string[] = ["out_of_range", "wrong_type"];

/** What to do about each of the gateway's other errors; tests/golden/errors.json has all codes. */
export const ADVICE: Readonly<Record<string, string>> = {
  backend_lost: "The model's server went away. It comes back by itself; then press Generate again.",
  busy: "A generation is running already. Wait for its end, or press Stop.",
  connection_lost: "The connection broke before the request arrived. Press Generate again.",
  deadline: "The generation took too long and was ended. Ask for fewer tokens.",
  empty_prompt: "The prompt is empty. Write something for the model to continue.",
  foreign_origin:
    "The server does not accept this page's address. Add it to AXON_ORIGINS on the server.",
  generation_failed:
    "The model failed on this request. Press Generate again; if it fails again, change the settings.",
  gateway_lost: "The server that ran this generation went away. Press Generate again.",
  gateway_stopping: "This server is being restarted. Press Generate again in a moment.",
  internal: "Something went wrong in the server; its log says what. Try again.",
  invalid_http: "This page and the server do not fit together. Reload the page.",
  invalid_json: "The server cannot read what this page sends. Reload the page.",
  labels_unavailable: "Labels cannot be looked up now. They appear when the label store is back.",
  line_full: "The line is full. Try again when somebody has had a turn.",
  message_too_big: "That is too long to send. Shorten the prompt.",
  method_not_allowed: "This page and the server do not fit together. Reload the page.",
  no_map: "This server has no map of the features.",
  no_maximum:
    "No largest activation of this feature is known to measure by. Give the strength in its own units.",
  no_access: "An access token is needed here. Enter it on the left.",
  not_editable: "The features of this source cannot be edited. Choose another source.",
  not_found: "This page and the server do not fit together. Reload the page.",
  not_possible: "The model's server cannot do this.",
  not_presenter:
    "Only the presenter can generate in this room. Open your own room from the start page.",
  not_ready: "The model is not ready yet. Try again in a moment.",
  not_running: "Nothing was running any more.",
  prompt_too_long: "The prompt is too long for this model. Shorten it.",
  question_closed: "This vote has ended. Wait for the next question.",
  question_open: "A vote is open already. End it first.",
  queue_full: "Too many people are generating.",
  rooms_unavailable:
    "Part of the server is not available. The room waits for it and goes on by itself.",
  too_fast: "You are sending requests too fast.",
  too_many_generations: "You run as many generations as one person may. Wait for one to end.",
  too_many_recordings: "Many recordings are being downloaded. Try again in a moment.",
  too_many_questions: "Many people ask about features just now. Try again in a moment.",
  too_many_rooms: "All rooms of this server are in use. Try again in a moment.",
  too_many_sockets:
    "Too many pages from your network address are connected. Close some; this one keeps trying.",
  too_many_votes: "As many people have voted as can be counted.",
  too_slow: "The connection is too slow to send this. Try again.",
  unknown_feature: "This feature is no longer available. The model may have changed.",
  unknown_field: "This page and the server do not fit together. Reload the page.",
  unknown_host:
    "The server does not know the name in this page's address. Add it to AXON_HOSTS on the server.",
  unknown_model: "This model is no longer available. Choose another one.",
  unknown_room:
    "This room is closed. Ask for a new link, or open your own room from the start page.",
  unknown_source: "A chosen source is no longer available. Check the sources and try again.",
  unknown_type: "This page and the server do not fit together. Reload the page.",
  unsupported_encoding: "This page and the server do not fit together. Reload the page.",
};

/** The page's keys, as the dialog lists them. */
export const KEYS: readonly [keys: string, does: string][] = [
  ["Enter", "in the prompt: generate (Shift+Enter for a new line)"],
  ["/", "find a feature, or filter"],
  ["Arrow keys, Home, End", "move in the text and in every list"],
  ["Arrow keys, Page keys", "on the timeline: go through the text token by token"],
  ["Arrow keys, + and -", "on the graph: turn it, come nearer"],
  ["Enter or Space", "choose the token or feature"],
  ["Esc", "clear the choice, or close what is open"],
  ["?", "this list"],
];

/** Filters to begin with: labels such as “someone is in the kitchen” and “the word "key"”. */
export const FILTERS: readonly [filter: string, does: string][] = [
  ["hide: promotes", "hides features whose label has this word"],
  ["hide: /the word/", "hides labels that match the expression, here those of single words"],
  ["keep: /someone is in/", "shows only labels that match, here where people and animals are"],
  ["keep: /answer|sad/", "shows only labels with one or the other"],
  ["hide: /^#/", "hides features without a label"],
  ["min: 20%", "shows only features that reached a fifth of their full strength"],
  [
    "density: <1%",
    "shows features that fire on less than 1% of all text, and those never measured",
  ],
];

/** The model trained on the small world that the examples are about. */
export const BUNDLED_MODEL = "axon-demo";

export interface Example {
  /** What the prompt makes visible, in a few words. */
  readonly caption: string;
  readonly prompt: string;
}

export const EXAMPLES: readonly Example[] = [
  { caption: "a capital", prompt: "The capital of France is" },
  { caption: "the same fact, asked", prompt: "What is the capital of Kenya? It is" },
  {
    caption: "where is the dog?",
    prompt:
      "The dog is in the garden. The cat is in the hall. Where is the dog now? The dog is in the",
  },
  {
    caption: "it has moved",
    prompt:
      "The owl is in the barn. Then the owl goes to the kitchen. Where is the owl? It is in the",
  },
  {
    caption: "who has the key?",
    prompt: "Anna has a key. She gives the key to Tom. Who has the key now?",
  },
  {
    caption: "out of one, into another",
    prompt:
      "There is a coin in the drawer. Ben takes the coin out of the drawer and puts it in the jar. Where is the coin? It is in the",
  },
  {
    caption: "a feeling and its cause",
    prompt: "Somebody breaks the drum of Lena. How does Lena feel? She is",
  },
  {
    caption: "two people, two feelings",
    prompt: "Leo hears a noise in the dark. Anna hears good news. How does Leo feel? He is",
  },
  { caption: "a sum", prompt: "3 + 4 =" },
  {
    caption: "a bill",
    prompt:
      "A pear costs 4 coins and a plum costs 3 coins. Mia takes a pear and a plum. That makes",
  },
  { caption: "a variable that changes", prompt: "x = 3\ny = x + 2\nx = 7\nprint(x)  #" },
  { caption: "days", prompt: "It is Monday. So tomorrow it is" },
  { caption: "a story", prompt: "Once upon a time there was" },
];

/** The beginnings of filters, as the field offers them. */
export const BEGINNINGS: readonly { begin: string; help: string }[] = [
  { begin: "hide: ", help: "words or /expression/ in a label" },
  { begin: "keep: ", help: "only such labels" },
  { begin: "min: ", help: "20%: reached a fifth of its full strength" },
  { begin: "density: ", help: "<1%: rare ones, and those never measured" },
];

/** What a banner offers to do. */
export const ACTIONS = {
  retry: "Try now",
  "clear-filters": "Clear filters",
  "own-room": "Open a room",
} as const;

export const NO_GRAPH =
  "This browser has no WebGL, so there is no graph. Text and features work without it.";

export const GRAPH_LOST =
  "The browser has taken the graph's WebGL away. It usually comes back by itself; if not, reload the page. Text and features go on.";

/** What panels, lists and notes say. */
export const SAY = {
  name: "Axon",
  feature: (id: number) => `feature ${id}`,

  // Recordings and files
  notShown: (reason: string) => `The recording cannot be shown: ${reason}.`,
  notPlayed: (file: string, reason: string) => `${file} cannot be played: ${reason}.`,
  cutOff: "This recording was cut off: its end is missing. The rest can be played.",
  unread: (lines: number) =>
    lines === 1
      ? "One line of it could not be read and is left out."
      : `${lines} lines of it could not be read and are left out.`,

  // The connection
  lookingForModel: "looking for the model",
  offline: "This device is offline",
  lost: "Connection lost",
  silence: "The server has gone silent",
  broke: "The connection broke.",
  roomGone: "The room is gone.",

  // Filters and finding
  whichLabels: (kind: string) => `Which labels? For example “${kind}: punctuation”.`,
  tooLong: (most: number) => `This filter is too long: at most ${most} characters.`,
  endless: "The expression has no end: close it with a second slash.",
  unreadable: (why: string) => `The expression cannot be read: ${why}. Nothing was hidden.`,
  howStrong: "How strong at least? For example “min: 20%”.",
  howDense: "How dense? For example “density: <1%” or “density: 0.01%-1%”.",
  noSuchFeature: "No feature has this label or index.",
  hidesNothing: (filter: string) => `“${filter}” hides nothing so far: no label here fits.`,
  hide: "hides labels with it",
  keep: "shows only labels with it",
  place: (source: string, id: number, passes: boolean) =>
    `${source} #${id}${passes ? "" : ", hidden by a filter"}`,
  unseenPlace: (source: string, id: number) => `#${id} of ${source}, not seen yet`,
  found: "Found",
  removeFilter: "Remove this filter",
  removeThisFilter: (filter: string) => `Remove filter ${filter}`,
  someSources: (shown: number, all: number) => `${shown} of ${all} sources`,

  // The prompt and the settings
  firstPrompt: "The capital of France is",
  notANumber: "This is not a number.",
  settings: "Settings",
  defaults: "Defaults",
  presets: "Presets",
  anySeed: "empty: new each time",
  atLeast: (least: string) => `${least} or more`,
  above: (least: string) => `above ${least}`,
  range: (least: string, most: string) => `${least} to ${most}`,
  notReady: (model: string) => `${model} (not ready)`,
  allLinks: "all links shown",
  someLinks: (percent: number) => `links below ${percent}% hidden`,
  nothingShown: "Nothing is shown: tick a source.",
  sourceFacts: (hook: string, width: number, architecture: string) =>
    `${hook}: ${width} features, ${architecture}`,
  layer: (layer: number) => `layer ${layer}`,
  removeEdit: (edit: string) => `Remove edit ${edit}`,

  // Copying and sharing
  copied: "Copied",
  copiedText: (text: string) => `Copied: ${text}`,
  notCopied: "Not copied",
  mayNotCopy: "Not copied: the browser did not allow it.",
  room: (room: string) => `Room ${room}`,
  others: (others: number) =>
    others === 0
      ? "Nobody else is here yet"
      : others === 1
        ? "1 other is here"
        : `${others} others are here`,
  code: (url: string) => `QR code of ${url}`,

  // The chosen feature
  pin: "Pin",
  unpin: "Unpin",
  copy: "Copy",
  close: "Close",
  closeByKey: "Close (Esc)",
  whereItFires: "Tokens where it fires",
  together: "Fires together with",
  togetherAt: (tokens: number, weight: string) =>
    `together at ${tokens} tokens; link weight ${weight} (how much more often than chance)`,
  neuronpedia: "Open on Neuronpedia",
  nothingMore: "Nothing more is known about this feature right now.",
  noPromoted: (why: string | null) =>
    `The tokens that it promotes are not available right now${why === null ? "" : `: ${why}`}`,
  none: "none",
  highest: (most: string, before: string | null) =>
    `(${before === null ? "" : `edited: by itself ${before}; `}highest known ${most})`,
  silent: "silent",
  activation: (activation: string) => `activation ${activation}`,
  facts: {
    peak: "Peak",
    fired: "Fired at",
    layer: "Layer",
    density: "Density",
    explainer: "Label by",
    score: "Label score",
  },
  seenHere: "seen here",
  hereOfKnown: (known: string) => `here, ${known} known`,
  ofTokens: (tokens: number) => `of ${tokens} tokens`,
  ofAllTokens: "of all tokens",
  ofOne: "of 1",
  promotes: "Promotes",
  suppresses: "Suppresses",
  alike: "Alike by its weights",

  // The lists of features
  strongest: (token: string | null) => (token === null ? "Strongest" : `Strongest at “${token}”`),
  row: (feature: string, edited: string, activation: string, peak: string) =>
    `${feature}: ${edited}activation ${activation}, highest here ${peak}`,
  editedFrom: (before: string, now: string) => `edited from ${before} to ${now}; `,
  pinned: (feature: string, peak: string) => `${feature}: pinned, highest here ${peak}`,

  // Tokens
  start: "start",
  startTip: "The sign before the text. Its features are outliers and are left out. ",
  blanks: { "↵": "line end", "⇥": "tab" } as Readonly<Record<string, string>>,
  noText: "no visible text",
  position: "position",
  id: "id",
  probability: "probability",
  log: (probability: string, log: string) => `${probability} (log ${log})`,
  fromThe: "from the",
  prompt: "prompt",
  missed: "missed",
  edited: "edited",
  span: (least: string, most: string) => `${least} to ${most}`,
  came: "This one came",
  likeliest: "likeliest here",
  likeliestTokens: "Likeliest tokens here",
  tiny: "under 1%",

  // Playback
  play: "Play",
  pause: "Pause",
  end: "End",
  live: "Live",
  toEnd: "To the recording's end",
  toNewest: "Back to the newest token",
  generation: (run: number, runs: number) => `Generation ${run} of ${runs}`,
  token: (place: number, all: number) => `token ${place} of ${all}`,
  empty: "empty",
} as const;

export const OTHER_WEIGHTS = "it belongs to other weights";
export const NO_MAP = "The map of all features did not arrive.";

/** Why a map is not shown. */
export function mapRefused(reason: string): string {
  return `The map of all features cannot be read: ${reason}. Places are found in this browser instead.`;
}

/** What is done while there is no map yet. */
export function mapMaking(stage: string, done: number): string {
  return `A map of all features is being made: ${stage}, ${Math.round(100 * done)}%.`;
}

/** What nearness means, and what it does not; `recall` is a share. */
export function nearness(recall: number): string {
  return `Height is the layer. Near is alike by weights: of a feature’s ten most similar, ${(10 * recall).toFixed(1)} are among its ten nearest. Far says nothing.`;
}

export const MAP = {
  title: "The map",
  flat: "Flat",
  flatHelp: "Looks at the map from above, with all storeys folded into one plane",
  alike: "Features like this one",
  alikeHelp: "Names the features of this storey that are nearest to the chosen one on the map",
  provisional: "named after tokens that its features promote, for want of labels",
  silent: "Nothing of it fires at this token.",
  now: "Strongest now",
} as const;

export function districtFacts(features: number): string {
  return `${features.toLocaleString("en")} features`;
}

export function storeyName(layer: number): string {
  return `layer ${layer}`;
}

export const THEME = {
  light: "Light",
  lightHelp: "Light colours, for a bright room",
  dark: "Dark",
  darkHelp: "Dark colours, for a dark hall",
} as const;

export const FOOTPRINT = {
  open: "Footprint",
  help: "Where on the map this text has lit, as a picture, beside an earlier one",
  title: "Footprint of this text",
  means:
    "The map from above, all layers together. The brighter a place, the more strongly and the more often its features fired; each text’s brightest place is full. Warm is this text, cool the other, and where both are the light adds up.",
  over: "Lay over it",
  nothing: "nothing",
  save: "Save picture",
  said: (one: string, other: string | null): string =>
    `Where on the map the text “${one}” has lit${other === null ? "" : `, and the text “${other}”`}`,
} as const;

export function footprintSource(model: string, hash: string): string {
  return `Axon, ${model}, map ${hash}. Place: likeness of the features’ decoder rows. Light: sum of activations, each as a share of its feature’s full strength.`;
}
