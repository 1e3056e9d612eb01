import js from "@eslint/js";
import tseslint from "typescript-eslint";

const WORDS = String.raw`/(?<![-\w.#(\[])[A-Z][a-z]+(?![\w-])|[a-z]{2,}[,.:;]? [a-z]{2,}/`;
/** Errors for developers, names of classes, selectors, keys, shaders. */
const NOT_SHOWN = [
  "ThrowStatement *",
  "NewExpression[callee.name='Error'] *",
  "CallExpression[callee.object.name='console'] *",
  "CallExpression[callee.property.name=/^(matches|matchMedia|includes)$/] > *",
  "CallExpression[callee.name='matchMedia'] > *",
  "Property[key.name='class'] > *",
  "Property > Literal.key",
  "TSLiteralType > *",
  "BinaryExpression[operator=/^[!=]==$/] > *",
  "SwitchCase > *",
  "AssignmentExpression[left.property.name='className'] > *",
  "[value.cooked=/;\\n|<path|<svg|^Bearer/]",
];

export default tseslint.config(
  { ignores: ["dist", "node_modules"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // A handler may hand on a call that returns nothing, in one line.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "max-lines": ["error", { max: 300, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // A language is one file, however long.
    files: ["src/words/??.ts"],
    rules: { "max-lines": "off" },
  },
  {
    // What people read is said in src/words alone. These look like words: a capital and small
    // letters, or two words in a row.
    files: ["src/{graph,matrix,net,state,ui}/**/*.ts", "src/app.ts"],
    ignores: ["src/state/graph-export.ts"], // the words of a file format
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ group: ["**/words/en"], message: "That is English: import words." }] },
      ],
      "no-restricted-syntax": [
        "error",
        ...["Literal[value=", "TemplateElement[value.cooked="].map((node) => ({
          selector: `${node}${WORDS}]${NOT_SHOWN.map((place) => `:not(${place})`).join("")}`,
          message: "Words for people belong to src/words.",
        })),
      ],
    },
  },
  {
    files: ["**/*.mjs", "**/*.js"],
    languageOptions: {
      globals: {
        ...{ console: "readonly", process: "readonly", fetch: "readonly", URL: "readonly" },
        ...{ document: "readonly", location: "readonly", localStorage: "readonly" },
        ...{ navigator: "readonly", URLSearchParams: "readonly" },
      },
    },
  },
);
