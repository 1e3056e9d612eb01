/** What the page says of the hall: votes, the line, a copy to take along, earlier generations. */
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
  yours: "your vote",
  dismiss: "Dismiss",
  apply: (what: string): string => `Do it: ${what}`,
  answer: (word: string): string => `It was “${word.trim()}”.`,
  guessed: (right: number, all: number): string => `${right} of ${all} guessed it.`,
  votes: (count: number): string => (count === 1 ? "1 vote" : `${count} votes`),
  ended: "The vote has ended.",
  nobody: "Nobody has voted.",
  bar: (text: string, votes: number, share: number): string =>
    `${text}: ${votes}, ${Math.round(100 * share)}%`,
  otherWords: "other words",
} as const;

export const LINE = {
  title: "Waiting to generate",
  generate: "Generate",
  join: "Get in line",
  leave: "Leave the line",
  remove: (name: string): string => `Take ${name} out of the line`,
  name: "Your name in the line",
  nameless: "guest",
  next: "You are next.",
  ahead: (count: number): string =>
    count === 1 ? "One person is ahead of you." : `${count} people are ahead of you.`,
  waiting: (count: number): string => (count === 1 ? "1 person waits." : `${count} people wait.`),
} as const;

export const TAKE = {
  take: "Take it with me",
  help: "Opens a room of your own, with a copy of this run to go on from",
  failed: (why: string): string => `The room’s recording did not arrive: ${why}`,
  earlier: "Earlier generations",
  earlierHelp: "Goes back to what was generated in this room before",
} as const;

export const SCENES = {
  title: "Scenes",
  open: "Scenes",
  help: "What is on show, saved as scenes and played in order with the keys of a clicker",
  add: "Save what is on show as a scene",
  play: "Play",
  save: "Save as a file",
  load: "Open a file",
  none: "No scene yet. Look at a token and a feature, turn the picture, and save it.",
  text: "Text of the scene",
  name: "Name of the scene",
  up: (name: string): string => `Move ${name} up`,
  down: (name: string): string => `Move ${name} down`,
  remove: (name: string): string => `Delete ${name}`,
  show: (name: string): string => `Show ${name}`,
  numbered: (number: number): string => `Scene ${number}`,
  place: (number: number, all: number): string => `${number} / ${all}`,
  close: "Close",
  keys: "Next: Page Down, → or space. Back: Page Up or ←. End: Escape.",
  failed: (why: string): string => `That did not work: ${why}`,
  empty: "there is no run on show",
} as const;
