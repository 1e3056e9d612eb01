/** What the page says, in English. All other languages have its shape; see `say.ts`. */
import type { KnobName } from "../wire/model";
import { countingIn, figuresOf, fixed } from "./say";

const count = countingIn("en");
const figure = figuresOf("en");

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

/** How terms are written where they stand by themselves. */
export const TERMS = { feature: "feature", activation: "activation" } as const;

/** The settings; `brief` is the value in the folded line, e.g. "temperature 0.8". */
export const KNOB_TEXTS = {
  temperature: {
    label: "Temperature",
    brief: (value: string) => `temperature ${value}`,
    help: "How freely the model picks. 0 always takes the likeliest token.",
    step: fixed("0.1"),
  },
  top_k: {
    label: "Top-K",
    brief: (value: string) => `top-K ${value === "0" ? "off" : value}`,
    help: "Picks among this many likeliest tokens only. 0 keeps all.",
    step: fixed("1"),
  },
  top_p: {
    label: "Top-P",
    brief: (value: string) => `top-P ${value === "1" ? "off" : value}`,
    help: "Picks among the fewest tokens whose probabilities reach this sum. 1 keeps all.",
    step: fixed("0.05"),
  },
  repetition_penalty: {
    label: "Repetition penalty",
    brief: (value: string) => `repetition penalty ${value === "1" ? "off" : value}`,
    help: "Above 1, tokens that already occurred become less likely. 1 changes nothing.",
    step: fixed("0.05"),
  },
  max_tokens: {
    label: "Max tokens",
    brief: (value: string) => `${value} tokens`,
    help: "How many tokens the model may write.",
    step: fixed("1"),
  },
  feat_k: {
    label: "Features per token",
    brief: (value: string) => `${value} features`,
    help: "The strongest features shown at each token, for each source.",
    step: fixed("1"),
  },
  act_threshold: {
    label: "Activation threshold",
    brief: (value: string) => `above ${value}`,
    help: "Features at or below this activation are not shown.",
    step: fixed("0.1"),
  },
  seed: {
    label: "Seed",
    brief: (value: string) => (value === "" ? "new seed" : `seed ${value}`),
    help: "The same seed and settings give the same text. Empty draws a new one each time.",
    step: fixed("1"),
  },
} as const satisfies Record<KnobName, object>;

export const PACE = {
  label: "Pace",
  help: "How fast the model writes. A slow model is never made faster.",
  usual: fixed("10"),
} as const;

/** Tokens a second, and what they are called; 0 is as fast as it goes. */
export const PACES = [
  { value: fixed("0"), name: "as fast as it goes" },
  { value: fixed("10"), name: "10 tokens a second" },
  { value: fixed("2"), name: "2 tokens a second" },
] as const;

/** What the dial of a feature does to it. `scale` is the factor; null leaves it as it is. */
export const TURNS = [
  { name: "Off", help: "Leaves the feature as it is.", scale: null },
  { name: "Silence", help: "Where the feature fires, it is set to 0.", scale: 0 },
  { name: "×2", help: "Where the feature fires, it fires twice as strongly.", scale: 2 },
  { name: "×4", help: "Where the feature fires, it fires four times as strongly.", scale: 4 },
  {
    name: "Minus",
    help: "Where the feature fires, its direction is taken away from the model's state instead of added.",
    scale: -1,
  },
] as const;

export const REACH = {
  dial: "Turn this feature",
  doses: "Doses",
  dosesHelp:
    "Writes the text side by side from the same seed: as it is, with this feature silenced, and with it half, twice and four times as strong.",
  dosesOf: (feature: string) => `Doses of ${feature}`,
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
  asIs: "as is",
  with: (edits: string) => `with ${edits}`,
  silenced: (feature: string) => `${feature} silenced`,
  minus: (feature: string) => `${feature} minus`,
  times: (feature: string, factor: string) => `${feature} ×${factor}`,
  set: (feature: string, strength: string) => `${feature} set to ${strength}`,
  added: (feature: string, strength: string) => `${feature} ${strength}`,
  inPlaceOf: (other: string, feature: string) => `${other} in place of ${feature}`,
} as const;

/** Styles of writing: values for the style knobs; those not named get the model's defaults. */
export const PRESETS = [
  { label: "The model's own", help: "The model's default values.", values: fixed({}) },
  {
    label: "Calm",
    help: "Picks likely tokens, with few surprises.",
    values: fixed({ temperature: "0.4", top_p: "0.9" }),
  },
  {
    label: "Creative",
    help: "Picks unlikely tokens more often, but leaves out the most unlikely ones.",
    values: fixed({ temperature: "1.2", top_p: "0.95" }),
  },
  {
    label: "No repetition",
    help: "Makes tokens that already occurred less likely.",
    values: fixed({ repetition_penalty: "1.3" }),
  },
] as const;

/** What to do about each of the gateway's other errors; tests/golden/errors.json has all codes. */
export const ADVICE = {
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
} as const;

/** The page's keys, as the dialog lists them. */
export const KEYS = [
  ["Enter", "in the prompt: generate (Shift+Enter for a new line)"],
  ["/", "find a feature, or filter"],
  ["Arrow keys, Page keys, Space", "anywhere: one token on or back, play and pause"],
  ["F", "present: only the picture and the text"],
  ["Arrow keys, Home, End", "move in the text and in every list"],
  ["Arrow keys, Page keys", "on the timeline: go through the text token by token"],
  ["Arrow keys, + and -", "on the graph: turn it, come nearer"],
  ["Enter or Space", "choose the token or feature"],
  ["Esc", "clear the choice, or close what is open"],
  ["?", "this list"],
] as const;

/** Filters to begin with: labels such as “someone is in the kitchen” and “the word "key"”. */
export const FILTERS = [
  { filter: fixed("hide: promotes"), does: "hides features whose label has this word" },
  {
    filter: fixed("hide: /the word/"),
    does: "hides labels that match the expression, here those of single words",
  },
  {
    filter: fixed("keep: /someone is in/"),
    does: "shows only labels that match, here where people and animals are",
  },
  { filter: fixed("keep: /answer|sad/"), does: "shows only labels with one or the other" },
  { filter: fixed("hide: /^#/"), does: "hides features without a label" },
  {
    filter: fixed("min: 20%"),
    does: "shows only features that reached a fifth of their full strength",
  },
  {
    filter: fixed("density: <1%"),
    does: "shows features that fire on less than 1% of all text, and those never measured",
  },
] as const;

/** What prompts of the bundled model make visible, in a few words. The model knows English. */
export const EXAMPLES = [
  { caption: "a capital", prompt: fixed("The capital of France is") },
  { caption: "the same fact, asked", prompt: fixed("What is the capital of Kenya? It is") },
  {
    caption: "where is the dog?",
    prompt: fixed(
      "The dog is in the garden. The cat is in the hall. Where is the dog now? The dog is in the",
    ),
  },
  {
    caption: "it has moved",
    prompt: fixed(
      "The owl is in the barn. Then the owl goes to the kitchen. Where is the owl? It is in the",
    ),
  },
  {
    caption: "who has the key?",
    prompt: fixed("Anna has a key. She gives the key to Tom. Who has the key now?"),
  },
  {
    caption: "out of one, into another",
    prompt: fixed(
      "There is a coin in the drawer. Ben takes the coin out of the drawer and puts it in the jar. Where is the coin? It is in the",
    ),
  },
  {
    caption: "a feeling and its cause",
    prompt: fixed("Somebody breaks the drum of Lena. How does Lena feel? She is"),
  },
  {
    caption: "two people, two feelings",
    prompt: fixed("Leo hears a noise in the dark. Anna hears good news. How does Leo feel? He is"),
  },
  { caption: "a sum", prompt: fixed("3 + 4 =") },
  {
    caption: "a bill",
    prompt: fixed(
      "A pear costs 4 coins and a plum costs 3 coins. Mia takes a pear and a plum. That makes",
    ),
  },
  { caption: "a variable that changes", prompt: fixed("x = 3\ny = x + 2\nx = 7\nprint(x)  #") },
  { caption: "days", prompt: fixed("It is Monday. So tomorrow it is") },
  { caption: "a story", prompt: fixed("Once upon a time there was") },
] as const;

/** The beginnings of filters, as the field offers them. */
export const BEGINNINGS = [
  { begin: fixed("hide: "), help: "words or /expression/ in a label" },
  { begin: fixed("keep: "), help: "only such labels" },
  { begin: fixed("min: "), help: "20%: reached a fifth of its full strength" },
  { begin: fixed("density: "), help: "<1%: rare ones, and those never measured" },
] as const;

/** What a banner offers to do. */
export const ACTIONS = {
  retry: "Try now",
  "clear-filters": "Clear filters",
  "own-room": "Open a room",
  "run-link": "Run this",
} as const;

export const NO_GRAPH =
  "This browser has no WebGL, so there is no graph. Text and features work without it.";

export const GRAPH_LOST =
  "The browser has taken the graph's WebGL away. It usually comes back by itself; if not, reload the page. Text and features go on.";

/** What panels, lists and notes say. */
export const SAY = {
  name: "Axon",
  feature: (id: number) => `feature ${id}`,
  quoted: (text: string) => `“${text}”`,

  // Recordings and files
  notShown: (reason: string) => `The recording cannot be shown: ${reason}.`,
  notPlayed: (file: string, reason: string) => `${file} cannot be played: ${reason}.`,
  cutOff: "This recording was cut off: its end is missing. The rest can be played.",
  unread: (lines: number) =>
    count(lines, {
      one: "One line of it could not be read and is left out.",
      other: "# lines of it could not be read and are left out.",
    }),

  // The connection
  lookingForModel: "looking for the model",
  offline: "This device is offline",
  lost: "Connection lost",
  silence: "The server has gone silent",
  broke: "The connection broke.",
  roomGone: "The room is gone.",

  // Filters and finding
  whichLabels: (kind: string) => `Which labels? For example “${kind}: punctuation”.`,
  tooLong: (most: number) =>
    count(most, {
      one: "This filter is too long: at most # character.",
      other: "This filter is too long: at most # characters.",
    }),
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
  firstPrompt: fixed("The capital of France is"),
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
    `${hook}: ${count(width, { one: "# feature", other: "# features" })}, ${architecture}`,
  layer: (layer: number) => `layer ${layer}`,
  removeEdit: (edit: string) => `Remove edit ${edit}`,

  // Copying and sharing
  copied: "Copied",
  copiedText: (text: string) => `Copied: ${text}`,
  notCopied: "Not copied",
  mayNotCopy: "Not copied: the browser did not allow it.",
  linkedRun: "A link has filled in the prompt and the settings. Nothing has run yet.",
  room: (room: string) => `Room ${room}`,
  nobody: "Nobody else is here yet",
  others: (others: number) => count(others, { one: "# other is here", other: "# others are here" }),
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
    `together at ${count(tokens, { one: "# token", other: "# tokens" })}; link weight ${weight} (how much more often than chance)`,
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
  ofTokens: (tokens: number) => `of ${count(tokens, { one: "# token", other: "# tokens" })}`,
  ofAllTokens: "of all tokens",
  ofOne: "of 1",
  promotesBy: (logit: string) => `Tokens that the feature makes more likely to come next: ${logit}`,
  suppressesBy: (logit: string) =>
    `Tokens that the feature makes less likely to come next: ${logit}`,
  cosine: (cosine: string, mutual: boolean) => `cosine ${cosine}${mutual ? ", mutual" : ""}`,
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
  blanks: { "↵": "line end", "⇥": "tab" },
  noText: "no visible text",
  position: "position",
  id: "id",
  probability: "probability",
  log: (probability: string, log: string) => `${probability} (log ${log})`,
  fromThe: "from the",
  prompt: "prompt",
  missed: "not reproduced",
  edited: "edited",
  span: (least: string, most: string) => `${least} to ${most}`,
  came: "This one came",
  likeliest: "likeliest here",
  likeliestTokens: "Likeliest tokens here",
  tiny: "under 1%",

  // Playback
  play: "Play",
  playHelp: "Go through the text token by token",
  pause: "Pause",
  end: "End",
  live: "Live",
  toEnd: "To the recording's end",
  toNewest: "Back to the newest token",
  generation: (run: number, runs: number) => `Generation ${run} of ${runs}`,
  token: (place: number, all: number) => `token ${place} of ${all}`,
  empty: "empty",
} as const;

/** What the page says about its state. `status.ts` chooses. */
export const STATUS = {
  unreachable: "The server does not answer. The page keeps trying.",
  unreachableOwn: "The server does not answer. Is it running? The page keeps trying.",
  tryingAgain: (reason: string, seconds: number) => `${reason}. Trying again in ${seconds} s.`,
  reconnectingIn: (reason: string, seconds: number) => `${reason}. Reconnecting in ${seconds} s.`,
  insteadOf: (wanted: string, there: string) =>
    `This server has no model ${wanted}. Generate runs ${there} instead.`,
  pressGenerate: "Press Generate to run the model.",
  waitForPresenter: "Waiting for the presenter to begin.",
  modelGone: "The model is not there now; the page waits for it",
  notReady: "The model is not ready yet",
  detail: (state: string, detail: string) => `${state}: ${detail}`,
  ready: "Ready.",
  sent: "Sent.",
  next: "You are next.",
  ahead: (requests: number) =>
    count(requests, {
      one: "Waiting: one request ahead.",
      other: "Waiting: # requests ahead.",
    }),
  generating: "Generating",
  token: (made: number) => `: token ${made}`,
  tokenOf: (made: number, most: number) => `: token ${made} of ${most} at most`,
  stopped: (tokens: number) =>
    count(tokens, {
      one: "Stopped after # token. Choose one to look at it.",
      other: "Stopped after # tokens. Choose one to look at it.",
    }),
  finished: (tokens: number) =>
    count(tokens, {
      one: "Finished: # token. Choose one to look at it.",
      other: "Finished: # tokens. Choose one to look at it.",
    }),
  finishedIn: (tokens: number, seconds: string) =>
    `Finished: ${count(tokens, { one: "# token", other: "# tokens" })} in ${seconds} s. Choose one to look at it.`,
  underTenth: "under 0.1",
  endedEarly: "The generation ended early. Try again.",
  seePrompt: "Not sent: see the note at the prompt.",
  seeEdits: "Not sent: see the note at the edits.",
  seeSetting: "Not sent: see the note at the setting below.",
  againIn: (advice: string, seconds: number) => `${advice} Try again in ${seconds} s.`,
  againInMinutes: (advice: string, minutes: number) =>
    `${advice} Try again in ${count(minutes, { one: "a minute", other: "# minutes" })}.`,
  connected: "connected",
  reconnecting: "reconnecting",
  connecting: "connecting",
  notConnected: "not connected",
  youPresent: "you present",
  youWatch: "you watch",
  watching: (viewers: number) => count(viewers, { one: "# watching", other: "# watching" }),
  filtersHideAll: "Your filters hide every feature.",
  presenterLeft: "The presenter has left. The room stays; it goes on when they return.",
  recording: "Recording of an earlier run",
  recordingOf: (model: string) => `Recording of an earlier run of ${model}`,
} as const;

/** Why a token came. Each figure said here was measured. */
export const WHY = {
  ask: "Why this word?",
  askHelp:
    "Measures which features speak for this token: each is silenced, and the model runs again",
  title: "Why this word",
  rather: "rather than",
  asking: "Silencing one feature after another …",
  live: "Measured while the text was written.",
  missed: "There was no time to measure why this word came while the text was written.",
  method:
    "Each line is measured: the model ran again with this feature silenced. The figures are the word's probability as it was, and without the feature. The bar is the change of its log-probability.",
  everywhere: "at every position",
  speaksFor: "speaks for it",
  speaksAgainst: "speaks against it",
  next: "Without it, these lose activation in",
  nothingNext: "No feature of the next source loses activation without it.",
  last: "No source lies above this one: it acts on the word directly.",
  untried: "not tried",
  silence: "Silence it and see",
  silenced: "Silenced from the next Generate on. Press Generate.",
  more: (count: number): string => `Try ${count}`,
  graph: "Save as graph (JSON)",
  graphHelp: "The causes and the paths that are unfolded, in the graph format of circuit-tracer",
  order: "Order",
  orders: { logprob: "by the word", logit: "by the word rather than the other" },
  causes: "Causes, the strongest first",
  close: "Close",
  lost: "The answer broke off",
  early: "the answer ended early",
  unreachable: "the server cannot be reached",
  kin: "Kin in other layers",
  closeHelp: "Close (Esc)",
  /** A probability below those that are told in figures. */
  tiny: "under 0.0001%",
  measured: (speaks: string, odds: string, logprob: string, logit: string): string =>
    `${speaks}: ${odds}, log-probability ${logprob}, logit less the other's ${logit}`,
  often: (times: number, tokens: number): string =>
    `fires at ${times} of ${count(tokens, { one: "# token", other: "# tokens" })}`,
  atToken: (token: string): string => `at “${token}”`,
  atPosition: (position: number): string => `at position ${position}`,
  every: "Causes of each word",
  everyHelp:
    "Measures what speaks for each word while the text is written, as far as there is time. All in the room see it.",
  examples: "Top examples",
  examplesHelp:
    "Texts in which the feature fires most strongly, as the model's server has them. The darker a token, the stronger it fires there; the figure is its highest activation.",

  // How the candidates were chosen, and how far that choice can be trusted.
  noneActive: "No feature is active before this word.",
  allTried: (active: number): string =>
    count(active, {
      one: "The # active feature was tried.",
      other: "All # active features were tried, one at a time.",
    }),
  someTried: (tried: number, active: number): string =>
    `Tried ${tried} of ${active} active features, those with the largest gradient.`,
  agreement: (r: string, share: number): string =>
    `Gradient and removal agree r = ${r}, and on ${share} of the 5 strongest.`,
  nothingSpeaks: "Nothing that was tried speaks for it.",
  weak: (figure: string): string =>
    `Nothing in this text speaks strongly for it: the strongest removal lowers its log-probability by ${figure}.`,
  lessThan: (figure: string): string => `less than ${figure}`,
} as const;

/** The texts of `index.html`, by the id of their element. */
export const PAGE = {
  side: { label: "Controls" },
  "model-choice": { label: "Model" },
  "prompt-label": { text: "Prompt" },
  generate: { text: "Generate" },
  stop: { text: "Stop" },
  loading: { label: "Download" },
  examples: { label: "Examples" },
  "examples-try": { text: "Try" },
  "sources-title": {
    text: "Sources",
    title: "A source is one sparse autoencoder: it splits one layer's state into named features.",
  },
  "access-label": { text: "Access token" },
  "access-enter": { text: "Enter" },
  "forget-access": {
    text: "Sign out",
    title: "Forget the access token and the rooms of this browser",
  },
  "language-label": { text: "Language" },
  find: { label: "Find", placeholder: "Find a feature, or hide: …" },
  hits: { label: "Found" },
  room: { title: "Link to this room: anyone who opens it can watch" },
  "open-choice": { text: "Open to all" },
  follow: {
    text: "Follow the presenter",
    title: "Look where the presenter looks, until you move the picture or choose something",
  },
  share: { text: "Share", title: "The room's link, and a QR code" },
  export: {
    text: "Export",
    title: "Save a recording, the activations or a picture, or copy a link to this run",
  },
  "open-recording": { text: "Recording", title: "Play a recording from a file" },
  "recording-file": { label: "Recording" },
  help: { label: "Keys and filters", title: "Keys and filters" },
  chips: { label: "Filters" },
  stage: { label: "Graph" },
  "link-choice": {
    text: "Hide weak links",
    title:
      "A link joins two features that fire together more often than chance. Move right to hide the weaker links.",
  },
  fit: { text: "Fit", title: "Show the whole graph without turning it" },
  reset: { text: "Reset", title: "Back to the first view, with nothing chosen" },
  why: { label: "Why this word" },
  playback: { label: "Playback" },
  "dismiss-recording-note": { text: "Dismiss" },
  play: { text: "Play" },
  "step-back": { label: "Step back", title: "One token back" },
  "step-forward": { label: "Step forward", title: "One token forward" },
  strip: { label: "Timeline" },
  live: { text: "Live" },
  "previous-run": { label: "Previous generation" },
  "next-run": { label: "Next generation" },
  "back-to-room": {
    text: "Back to the room",
    title: "Close this recording and show what the room has streamed",
  },
  band: { label: "Text and features" },
  "text-title": { text: "Text" },
  "pinned-title": { text: "Pinned" },
  "strongest-title": { text: "Strongest" },
  inspector: { label: "Chosen feature" },
  "drop-words": { text: "Drop the recording here to play it" },
  "export-menu": { label: "Export" },
  "export-recording": {
    text: "Recording of this room (JSONL)",
    title: "All frames of this room with their times; this page can play the file again",
  },
  "export-shown": {
    text: "Activations that pass the filters (JSONL)",
    title: "One line per token, with the features that pass the filters",
  },
  "export-all": {
    text: "All activations (JSONL)",
    title: "One line per token, with all its features",
  },
  "export-png": {
    text: "Picture of the graph (PNG, 4K)",
    title: "The graph as it looks now, 3840 pixels wide, with its model, sources, seed and edits",
  },
  "export-svg": {
    text: "Picture of the graph (SVG)",
    title: "The same picture with all its words as text",
  },
  "export-link": {
    text: "Copy link to this run",
    title: "A link that fills in the prompt, the settings and the seed; opening it starts nothing",
  },
  "share-title": { text: "Watch along" },
  "share-copy": { text: "Copy link" },
  "share-close": { text: "Close" },
  "footprint-close": { text: "Close" },
  "help-world-title": { text: "What this model knows" },
  "help-world-text": {
    text: "The bundled model was trained on texts about one small world: people and animals in places, things in hands and boxes, feelings, a market, sums, days and weather, countries, tiny programs.",
  },
  "help-title": { text: "Keys" },
  "help-turns-title": { text: "The dial on a chosen feature" },
  "help-filters-title": { text: "Filters, typed into Find" },
  "help-close": { text: "Close" },
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

/** What height and nearness mean, and what they do not; `recall` is a share. */
export function nearness(recall: number, flat = false): string {
  const ten = figure(10 * recall, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return `${flat ? "" : "Height is the layer. "}Near is alike by weights: of a feature’s ten most similar, ${ten} are among its ten nearest. Far says nothing.`;
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
  return count(features, { one: "# feature", other: "# features" });
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

/** How many tokens a second are shown, and what that is called. */
export const DISPLAY_PACES = [
  { value: fixed("0"), name: "step by step" },
  { value: fixed("0.1"), name: "1 in 10 s" },
  { value: fixed("0.5"), name: "1 in 2 s" },
  { value: fixed("1"), name: "1 a second" },
  { value: fixed("2"), name: "2 a second" },
  { value: fixed("4"), name: "4 a second" },
  { value: fixed("10"), name: "10 a second" },
  { value: fixed("Infinity"), name: "as it comes" },
] as const;

/** The stage: its pace, its legend, and how sure a name is; `stage.ts` chooses. */
export const STAGE = {
  pace: "Speed",
  paceHelp: "How many tokens are shown in a second. The model may be ahead of what is shown.",
  next: "Next",
  nextHelp: "Show the next token",
  blank: "The text will stand here, word by word.",
  speakers: { system: "system", user: "user", assistant: "assistant", tool: "tool" },
  template: "chat template",
  asConversation: "As a conversation",
  asConversationHelp:
    "The model’s chat template makes a question of the prompt, and the model answers it.",
  layers: "Strongest activation by token and layer",
  present: "Present",
  presentHelp: "Only the picture and the text, for a large screen (F; Esc ends it)",
  ranked:
    "In the order of: activation as a share of the highest known, times the label’s score, times the share of tokens at which the feature is silent",
  legend: {
    height: "height: layer",
    flat: "place: meaning",
    light: "light: activation",
    ring: "ring: this word",
    chosen: "outer ring: chosen",
    edited: "dashed ring: edited",
  },
  firedAt: (tokens: string) => `at ${tokens}`,
  promotes: (tokens: string) => `promotes ${tokens}`,
  about: (name: string) => `about ${name}`,
  span: (least: number, most: number) => `layers ${least}–${most}`,
  writing: "The model is still writing",
  done: "The model is done",
  showing: (made: number, all: number) => `; showing ${made} of ${all}`,
} as const;

/** The tour: what to look at, and what it means. `at` names the element on the page. */
export const TOUR = [
  {
    at: fixed("text"),
    title: "One token a beat",
    text: "The model reads the text so far and writes it on, one token at a time. Its likeliest next tokens fan out above the text, and one falls into it.",
  },
  {
    at: fixed("stage"),
    title: "Height is the layer",
    text: "The text passes through the model from the lowest layer to the highest. Each point is a feature of one layer: a direction that a sparse autoencoder found.",
  },
  {
    at: fixed("strongest"),
    title: "Light is activation",
    text: "What shines fires at this word; the brighter, the stronger. Large names have proved themselves on other text. Small grey ones are a guess: “about” a bad one, “≈” no more than a hint.",
  },
  {
    at: fixed("tokens"),
    title: "Ask a word",
    text: "Choose a word of the text: its alternatives, with their probabilities, and “Why this word?”, which silences one feature after another and measures what changes.",
  },
] as const;

export const TOURING = {
  back: "Back",
  next: "Next",
  done: "Done",
  again: "Show the tour",
  step: (step: number, steps: number) => `${step} of ${steps}`,
} as const;

/** Votes of the hall. */
export const HALL = {
  title: "The hall",
  ask: "Ask the hall",
  askHelp: "Let everybody in the room vote, each once: which feature to turn, or which word comes",
  turn: "Which feature shall we turn?",
  guess: "Which word comes next?",
  turnStart: "Vote on a feature",
  guessStart: "Guess the next word",
  guessHelp: "Stands still at the token on show, and lets everybody guess the one after it",
  noGuess:
    "The next word’s alternatives are not known here: look at a token of a run in this room.",
  change: "What to do to it",
  which: "Features to choose from",
  noFeatures: "No feature fires at the token on show.",
  question: "A question of your own, or none",
  close: "End the vote",
  cancel: "Cancel",
  reveal: "Show the word",
  word: "Another word",
  send: "Send",
  dismiss: "Dismiss",
  apply: (what: string) => `Do it: ${what}`,
  answer: (word: string) => `It was “${word}”.`,
  guessed: (right: number, all: number) => `${right} of ${all} guessed it.`,
  votes: (votes: number) => count(votes, { one: "# vote", other: "# votes" }),
  ended: "The vote has ended.",
  nobody: "Nobody has voted.",
  bar: (text: string, votes: number, share: string) => `${text}: ${votes}, ${share}`,
} as const;

/** The line of those who wait to generate in an open room. */
export const LINE = {
  title: "Waiting to generate",
  join: "Get in line",
  leave: "Leave the line",
  remove: (name: string) => `Take ${name} out of the line`,
  name: "Your name in the line",
  ahead: (people: number) =>
    count(people, { one: "One person is ahead of you.", other: "# people are ahead of you." }),
  waiting: (people: number) => count(people, { one: "# person waits.", other: "# people wait." }),
} as const;

/** A copy to take along, and earlier generations. */
export const TAKE = {
  take: "Take it with me",
  help: "Opens a room of your own, with a copy of this run to go on from",
  failed: (why: string) => `The room’s recording did not arrive: ${why}`,
  earlier: "Earlier generations",
  earlierHelp: "Goes back to what was generated in this room before",
} as const;

export const SCENES = {
  title: "Scenes",
  help: "What is on show, saved as scenes and played in order with the keys of a clicker",
  add: "Save what is on show as a scene",
  save: "Save as a file",
  load: "Open a file",
  none: "No scene yet. Look at a token and a feature, turn the picture, and save it.",
  text: "Text of the scene",
  name: "Name of the scene",
  up: (name: string) => `Move ${name} up`,
  down: (name: string) => `Move ${name} down`,
  remove: (name: string) => `Delete ${name}`,
  show: (name: string) => `Show ${name}`,
  numbered: (number: number) => `Scene ${number}`,
  place: (number: number, all: number) => `${number} / ${all}`,
  keys: "Next: Page Down, → or space. Back: Page Up or ←. End: Escape.",
  failed: (why: string) => `That did not work: ${why}`,
  empty: "there is no run on show",
} as const;

/** The matrix of tokens and features. */
export const MATRIX = {
  open: "Matrix",
  help: "All tokens by all features, in place of the graph: which feature fires where",
  title: "Tokens × features",
  order: "Order",
  orders: { first: "first firing", strength: "strength", layer: "layer" },
  source: "Source",
  allSources: "all on show",
  close: "Back to the graph",
  empty: "No feature that passes the filters has fired yet.",
  counts: (features: number, tokens: number) =>
    `${count(features, { one: "# feature", other: "# features" })}, ${count(tokens, { one: "# token", other: "# tokens" })}`,
  row: (name: string, times: number, most: string) =>
    `${name}: fires at ${count(times, { one: "# token", other: "# tokens" })}, at most ${most}`,
  silent: (name: string, token: string) => `${name} at ${token}: silent`,
  cell: (name: string, token: string, activation: string, share: string) =>
    `${name} at ${token}: activation ${activation}, ${share} of its full strength`,
} as const;

/** Labels of one's own. */
export const LABELS = {
  /** One's own name wherever a label is shown. */
  yours: (label: string) => `${label} (yours)`,
  name: "Name it",
  rename: "Rename",
  nameHelp: "Give this feature a name of your own. It is kept in this browser; Export saves it.",
  yourName: "Your name for this feature",
  save: "Save",
  itsLabel: (label: string | null) =>
    label === null ? "It has no other label." : `Its label: ${label}`,
  export: "Save my labels (JSON)",
  exportHelp: "Your names for features, as AXON_LABEL_OVERRIDES of a gateway reads them",
  load: "Load labels …",
  loadHelp: "Takes in such a file, over your own names in this browser",
  loaded: (labels: number) =>
    count(labels, {
      one: "# label was taken in as yours.",
      other: "# labels were taken in as yours.",
    }),
  notLoaded: (file: string, why: string) => `${file} was not taken in: ${why}.`,
  file: "the file",
  form: (key: string) => `${key} must have the form "model/source/index": "label"`,
  length: (key: string) => `${key}: a label must have 1 to 500 characters`,
} as const;

/** How often a feature fires how strongly. */
export const HISTOGRAM = {
  title: "Activations in this text",
  bar: (from: string, to: string, tokens: number) =>
    `${from} to ${to}: ${count(tokens, { one: "# token", other: "# tokens" })}`,
  said: (fires: number, told: number, share: string, density: string | null) =>
    `Fires at ${fires} of ${count(told, { one: "# token", other: "# tokens" })}, ${share}${density === null ? "." : `; at ${density} of all tokens of a large text.`}`,
} as const;

/** What a picture was made from; `origin.ts` puts it together. */
export const ORIGIN = {
  unknown: "Axon. The beginning of this run is not known.",
  model: (model: string) => `Axon, model ${model}.`,
  source: (source: string) => `Source: ${source}.`,
  sources: (sources: string) => `Sources: ${sources}.`,
  noSources: "Sources: none.",
  seed: (seed: string) => `Seed ${seed}.`,
  noSeed: "Seed not known.",
  edits: (edits: string) => `Edits: ${edits}.`,
  noEdits: "No edits.",
  token: (place: number, all: number) => `Token ${place} of ${all} on show.`,
} as const;

/** Two runs compared; `comparing.ts` chooses. */
export const COMPARE = {
  open: "Compare …",
  title: "Two texts compared",
  other: "The text on show, compared with",
  file: "From a recording …",
  nothing:
    "There is no other text yet. Texts that this page has shown to their end are offered here, the branches of this run, and the runs of a recording.",
  noRun: "it has no text",
  notRead: (file: string, why: string) => `${file} cannot be compared: ${why}.`,
  here: "On show",
  noBeginning: "A run without its beginning",
  tokens: (tokens: number) => count(tokens, { one: "# token", other: "# tokens" }),
  same: "Both texts are the same.",
  parting: (token: number, here: string, there: string) =>
    `The texts part at token ${token}: ${here} here, ${there} there.`,
  end: "the end",
  rose: "Fired more here",
  fell: "Fired less here",
  none: "None.",
  change: (before: string, after: string) => `${before} → ${after}`,
  method:
    "A figure is a feature's mean activation at a token, as a share of its highest known activation: of the other text, then of the one on show. Where a feature was not among those that the server sent, it counts as 0.",
  incomparable: "The two texts have no source in common, so their features cannot be compared.",
} as const;
