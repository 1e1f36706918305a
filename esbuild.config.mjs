// Bundles the command line, dependencies and all, into dist/cli.js and what it loads when a command needs it, and the
// library, without them, into dist/index.js. Opening a hundred module files one by one is a third of the time that it takes
// to load the default fleet: 130 ms until the first command runs, against 80 from a bundle.
import { readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const { optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));

/**
 * Modules of Node's own that dependencies load though few commands need them: commander child processes, for what no command
 * here is (2 of the 13 ms by which `--version` takes longer than Node itself), and pg cryptography, for a password (3 of
 * the 80 ms of a rerun). What they take out of them at once, `crypto.webcrypto.subtle`, waits as well.
 */
const lazily = {
  name: 'lazily',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:child_process|crypto|assert)$/ }, ({ path, importer }) =>
      /\/node_modules\/(commander|pg|pg-copy-streams)\//.test(importer)
        ? { path, namespace: 'lazily' }
        : undefined,
    );
    onLoad({ filter: /./, namespace: 'lazily' }, ({ path }) => ({
      contents: `
        const part = (owner, name) => typeof owner[name] === 'function' ? owner[name].bind(owner) : owner[name];
        const later = (find) => new Proxy(() => {}, {
          apply: (_, owner, given) => find().apply(owner, given),
          get: (_, name) => name === 'webcrypto' || name === 'subtle' ? later(() => find()[name]) : part(find(), name),
        });
        module.exports = later(() => process.getBuiltinModule('${path}'));`,
    }));
  },
};

const common = {
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  loader: { '.sql': 'text' },
};

// Chunks are named after what they hold: those of former builds would stay.
await rm('dist', { recursive: true, force: true });
await build({ ...common, entryPoints: ['src/index.ts'], packages: 'external' });
const { outputFiles, metafile } = await build({
  ...common,
  write: false,
  metafile: true,
  entryPoints: ['src/cli.ts'],
  splitting: true,
  chunkNames: 'cli-[name]-[hash]',
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  define: {
    // pg asks whether it runs at Cloudflare by making a Response, for which Node 20 loads its whole HTTP client: 20 ms.
    Response: 'undefined',
    // The command line brings its driver: pg-native, which pg may prefer, is none that it knows.
    'process.env.NODE_PG_FORCE_NATIVE': 'undefined',
  },
  plugins: [lazily],
  // What is optional is loaded from where it is installed, if it is.
  external: ['pg-native', ...Object.keys(optionalDependencies)],
  // CommonJS dependencies ask for Node's own modules by require().
  banner: { js: 'const require = process.getBuiltinModule;' },
});
for (const { path, text } of outputFiles) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, takeBuiltinsAsTheyAre(text));
}
await chmod('dist/cli.js', 0o755);
await writeFile('dist/LICENSES.txt', await licensesOf(Object.keys(metafile.inputs)));

// What is in which file, for the test of what a command loads.
await mkdir('node_modules/.cache/scale-seed', { recursive: true });
await writeFile('node_modules/.cache/scale-seed/cli.json', JSON.stringify(metafile.outputs));

/**
 * An import of one of Node's own modules reads all that it exports, which loads what hangs on that: for node:util the
 * worker threads, for node:fs readline, 4 ms in all. Asked for by name, each gives no more than what is used; and of
 * node:crypto functions alone are used, which can ask for it themselves once they are called.
 */
function takeBuiltinsAsTheyAre(text) {
  return text.replace(
    /import\s*(?:\{([^}]*)\}|(?:\*\s*as\s)?\s*([\w$]+)\s*)from"(node:[\w/]+)";/g,
    (_, names, whole, module) => {
      const found = `process.getBuiltinModule("${module}")`;
      if (module !== 'node:crypto') return `const ${whole ?? `{${names.replaceAll(' as ', ':')}}`}=${found};`;
      return names.replace(/(\w+)(?: as (\w+))?,?/g, (_, name, own = name) => {
        return `const ${own}=(...given)=>${found}.${name}(...given);`;
      });
    },
  );
}

/** The licences of the packages that the inputs are from, which go with their code. */
async function licensesOf(inputs) {
  const folders = new Set(
    inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  );
  const texts = [...folders].sort().map(async (folder) => {
    const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? '' : `\n\n${(await readFile(join(folder, file), 'utf8')).trim()}`;
    return `${name} ${version}: ${license}${text}\n`;
  });
  return (await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`);
}
