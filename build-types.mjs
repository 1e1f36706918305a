// Makes what the package says of itself out of the types of its sources: dist/index.d.ts, all public types in one file,
// and a JSON Schema for each kind of file that is written. Source of both is TypeScript alone, so neither can lag behind.
import { mkdir, writeFile } from 'node:fs/promises';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { createGenerator } from 'ts-json-schema-generator';

const TSCONFIG = 'tsconfig.json';

/** Where nothing is imported, a program type-checks without the types of packages that it does not use, such as @types/pg. */
async function declare() {
  const bundle = await rollup({
    input: 'src/index.ts',
    external: /^node:/,
    plugins: [dts({ tsconfig: TSCONFIG })],
  });
  const { output } = await bundle.write({ file: 'dist/index.d.ts' });
  const imports = output.flatMap((file) => file.imports ?? []);
  if (imports.length > 0)
    throw new Error(`the public types must import nothing, but do: ${imports.join(', ')}`);
}

/** Fields without a doc comment get the schema of their type; `@asType`, `@minimum`, `@pattern` and so on say more than a type can. */
function schemaOf(name, type, path) {
  const config = { path, type, tsconfig: TSCONFIG, sortProps: false, topRef: false, skipTypeCheck: true };
  const { $schema, ...schema } = createGenerator(config).createSchema(type);
  return { $schema, $id: `scale-seed/${name}`, ...schema };
}

await mkdir('dist', { recursive: true });
await declare();
for (const [name, type, path] of [
  ['report.schema.json', 'ReportJson', 'src/report/result.ts'],
  ['manifest.schema.json', 'Manifest', 'src/report/manifest.ts'],
]) {
  await writeFile(`dist/${name}`, `${JSON.stringify(schemaOf(name, type, path), null, 2)}\n`);
}
