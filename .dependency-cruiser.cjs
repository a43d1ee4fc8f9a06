/**
 * The import directions of docs/architecture.md: cli, api → experiments → stages, report → parity → doctor's checks and run →
 * config → train, evaluate, tracking, rollout → engine, judge, tools, trajectory, reward → inference, questions. The files directly in
 * src/ that are named below and the folders secrets and jsonl may be imported by anyone. No circles, neither of files nor of
 * folders. Type-only imports count: a type that points upwards is a dependency, too.
 */
const layers = [
  ['inference', 'questions'],
  ['engine', 'judge', 'tools', 'trajectory', 'reward'],
  ['train', 'evaluate', 'tracking', 'rollout'],
  ['config'],
  ['run'],
  ['parity', 'doctor'],
  ['stages'],
  ['report'],
  ['experiments'],
  ['cli', 'api', 'index'],
];

const pathOf = (names) => `^src/(${names.join('|')})(/|\\.ts$)`;

/** Each layer against everything above it. */
const upwards = layers.slice(0, -1).map((layer, height) => ({
  name: `${layer.join('-')}-import-nothing-above-them`,
  severity: 'error',
  from: { path: pathOf(layer) },
  to: { path: pathOf(layers.slice(height + 1).flat()) },
}));

/** A package that one file alone may import, or that and a child process of its layer. */
const onlyIn = (file, npmPackage, ...others) => ({
  name: `only-${file.replace(/\W/g, '-')}-imports-${npmPackage}`,
  severity: 'error',
  comment: `${npmPackage} is wrapped once, so that its errors and settings are dealt with once`,
  from: { path: '^src/', pathNot: [file, ...others].map((name) => `^src/${name.replace(/\./g, '\\.')}$`) },
  to: { path: `(^|node_modules/)${npmPackage}(/|$)` },
});

module.exports = {
  forbidden: [
    ...upwards,
    {
      name: 'the-ground-imports-no-folder',
      severity: 'error',
      from: { path: '^src/(errors|log|options|random|package|sealed|wholeFile|abortable|cacheFolder|units|lockFile|processIdentity|compileSources)\\.ts$' },
      to: { path: '^src/[^/]+/', pathNot: '^src/secrets/' },
    },
    {
      name: 'secrets-import-nothing',
      severity: 'error',
      comment: 'errors.ts stands on it',
      from: { path: '^src/secrets/' },
      to: { path: '^src/', pathNot: '^src/secrets/' },
    },
    {
      name: 'jsonl-stands-on-the-ground',
      severity: 'error',
      from: { path: '^src/jsonl/' },
      to: { path: '^src/[^/]+/', pathNot: '^src/(jsonl|secrets)/' },
    },
    {
      name: 'the-engine-loads-nothing-above-it',
      severity: 'error',
      comment: 'spark-rl/engine is for who wants gradients and nothing else',
      from: { path: '^src/(engine|api/engine)' },
      to: { path: '^src/(judge|tools|trajectory|questions|inference|train|rollout|evaluate|config|run)/' },
    },
    onlyIn('inference/openai.ts', 'openai'),
    onlyIn('tools/mcp/connection.ts', '@modelcontextprotocol', 'tools/mcp/content.ts'),
    onlyIn(
      'inference/llamaModel.ts',
      'node-llama-cpp',
      'inference/llamaVocabulary.ts',
      'inference/llamaContexts.ts',
      'inference/llamaEvaluator.ts',
      'inference/probeChild.mjs',
    ),
    { name: 'no-circles', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    { name: 'no-circles-of-folders', severity: 'error', scope: 'folder', from: { path: '^src/' }, to: { circular: true } },
    { name: 'everything-is-found', severity: 'error', from: { path: '^src/' }, to: { couldNotResolve: true } },
    {
      name: 'src-needs-no-dev-dependency',
      severity: 'error',
      comment: 'compileSources.ts serves work on the sources, where the dev dependencies are; a built package never loads it',
      from: { path: '^src/', pathNot: '^src/compileSources\\.ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    // ESM-only packages have an "import" condition and nothing else.
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
