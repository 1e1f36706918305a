/** The floors of `src`, from the top down: a folder imports only folders below it. ARCHITECTURE.md says what each is for. */
const FLOORS = [
  'commands',
  'show',
  'operations',
  'judge',
  'merge',
  'copy',
  'run',
  'table',
  'embedded',
  'postgres',
  'encode',
  'fixtures',
  'report',
];

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    rule(
      'no-circular',
      'Files that import each other, if only types, cannot be read one by one.',
      {},
      { circular: true },
    ),
    ...FLOORS.slice(1).map((floor, index) =>
      rule(
        `nothing-upwards-from-${floor}`,
        `${floor}/ is below ${FLOORS.slice(0, index + 1).join(', ')}.`,
        { path: `^src/${floor}/` },
        { path: `^src/(${FLOORS.slice(0, index + 1).join('|')})/` },
      ),
    ),
    rule(
      'src-knows-no-bench',
      'Benchmarks and tests import src, never the other way round.',
      { path: '^src/' },
      { path: '^(bench|test)/' },
    ),
    rule(
      'nothing-imports-the-top',
      'cli.ts and index.ts are where others come in.',
      { path: '^src/' },
      { path: '^src/(cli|index)\\.ts$' },
    ),
    rule(
      'show-is-pure',
      'show/ turns what report/ describes into text, and knows nothing else of the house.',
      { path: '^src/show/' },
      { path: '^src/', pathNot: '^src/(show|report)/' },
    ),
    rule(
      'report-is-pure',
      'report/ knows no other folder.',
      { path: '^src/report/' },
      { path: '^src/', pathNot: '^src/(report/|errors\\.ts$)' },
    ),
    rule(
      'rows-know-no-driver',
      'What makes and encodes rows never imports the driver.',
      { path: '^src/(encode|fixtures|show|report)/' },
      { path: 'node_modules/(pg|pg-copy-streams)/' },
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
  },
};
