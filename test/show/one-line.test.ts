import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import SCHEMA_SQL from '../../src/embedded/schema.sql';
import { quote } from '../../src/postgres/quote.js';
import { seedParents } from '../../src/postgres/seed-parents.js';
import { run } from '../support/command-line.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const WORST = '\n::error::x\n|\u007f\u0085<none>';
const NASTY = ['--schema', 'nasty*', '--agents', '3'];
let folder: string;

/** Both schemas have such a name; the second of them has no table, so something fails there. */
beforeAll(async () => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const name = `nasty${WORST}`;
  await client.query(`create schema ${quote(name)}; set search_path = ${quote(name)}`);
  await client.query(SCHEMA_SQL);
  await seedParents(client, name);
  await client.query(
    `create function keep() returns trigger language plpgsql as $$begin new.os = E'\\n::error::y'; return new; end$$;
     create trigger ${quote(`keep${WORST}`)} before update on agents for each row execute function keep();
     create schema ${quote(`nasty too${WORST}`)}`,
  );
  await client.end();
  folder = await mkdtemp(join(tmpdir(), 'scale-seed-lines-'));
});

describe('a name that breaks lines', () => {
  const each = ['load', 'reset', 'verify', 'ci', 'clean'].flatMap((command) =>
    ['text', 'markdown'].map((format) => [command, format] as const),
  );
  it.each(each)('is on one line in what %s prints as %s', async (command, format) => {
    const summary = join(folder, `${command}.md`);
    const args = {
      load: ['--no-settle'],
      reset: ['--yes', '--no-settle'],
      verify: [],
      ci: ['--no-settle', '--summary', summary],
      clean: ['--yes'],
    }[command]!;
    const { code, stdout, stderr } = await run(
      [command, ...NASTY, ...args, '--format', format, '--verbose'],
      { DATABASE_URL: database.url, GITHUB_ACTIONS: 'true' },
    );
    const markdown = command === 'ci' ? await readFile(summary, 'utf8') : '';
    const lines = [stderr, stdout, markdown].join('\n').split('\n');
    expect(code).toBe(1);
    expect(lines.filter((line) => /^\s*::(?!error title=scale-seed)/.test(line))).toEqual([]);
    expect(stderr + stdout).not.toMatch(/[\u007f-\u009f]/);
    expect(stderr).toContain('nasty too\\n::error::x\\n|\\u007f\\u0085<none>: ');
    if (format === 'text') return;
    for (const line of (stdout + markdown).split('\n')) expect(line).toMatch(/^(|### .*|- .*|\| .* \|)$/);
    expect(stdout).not.toContain('<none>');
  });

  it('is on one line where a baseline is refused', async () => {
    const report = join(folder, 'before.json');
    await run(['ci', ...NASTY, '--no-settle', '--output', report], {
      DATABASE_URL: database.url,
    });
    const before = (await readFile(report, 'utf8')).replaceAll('"scale_agents"', JSON.stringify(`x${WORST}`));
    await writeFile(report, before);
    const { code, stderr } = await run(['ci', '--agents', '3', '--baseline', report], {
      DATABASE_URL: database.url,
    });
    expect({ code, lines: stderr.split('\n').length }).toEqual({ code: 2, lines: 3 });
    expect(stderr).toContain(
      'it is of the fixtures x\\n::error::x\\n|\\u007f\\u0085<none>, this run of scale_agents',
    );
  });
});
