import { describe, expect, it } from 'vitest';
import { sizedAgents } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();

describe('exclusive mode', () => {
  it('leaves indexes where and as they are, and lets event triggers hear of those that it builds', async () => {
    const name = String(await database.value('select current_database()'));
    await database.query(
      `create index measured on agents (lower(name));
       alter index measured alter column 1 set statistics 0;
       create table built (index text);
       create function hear() returns event_trigger language plpgsql as
         $$begin insert into built select object_identity from pg_event_trigger_ddl_commands(); end$$;
       create event trigger hearing on ddl_command_end when tag in ('CREATE INDEX') execute function hear();
       set allow_in_place_tablespaces = on`,
    );
    await database.query(`create tablespace ${name} location ''`);
    await database.query(`alter database ${name} set default_tablespace = ${name}`);
    await database.query('delete from agents');
    const report = await load({
      databaseUrl: database.directUrl,
      mode: 'exclusive',
      fixtures: [sizedAgents(500)],
    });
    const rebuilt = report.fixtures[0]?.rebuiltIndexes.map((index) => `public.${index}`) ?? [];
    expect(rebuilt).toHaveLength(7);
    expect(rebuilt).not.toContain('public.measured');
    const built = async () =>
      (await database.query('select index from built')).map(({ index }) => String(index));
    expect(await built()).toEqual(rebuilt);
    await reset({ databaseUrl: database.directUrl, mode: 'exclusive', fixtures: [sizedAgents(500)] });
    expect(await built()).toEqual([...rebuilt, ...rebuilt]);
    expect(await database.query('select relname from pg_class where reltablespace > 1664')).toEqual([]);
    await database.query(`drop event trigger hearing; drop table built; drop index measured`);
    await database.query(`alter database ${name} reset default_tablespace`);
    await database.query(`drop tablespace ${name}`);
  });

  it('keeps the indexes that an owner may not make again', async () => {
    const owner = await database.role();
    await database.query(
      `alter table agents owner to ${owner}; grant select on managed_certificates to ${owner};
       revoke create on schema public from public; delete from agents`,
    );
    const url = new URL(database.url);
    [url.username, url.password] = [owner, 'pw'];
    const report = await load({ databaseUrl: url.href, mode: 'exclusive', fixtures: [sizedAgents(500)] });
    expect(report.fixtures[0]).toMatchObject({ inserted: 500, rebuiltIndexes: [] });
    await database.query(`grant create on schema public to ${owner}; delete from agents`);
    const again = await load({ databaseUrl: url.href, mode: 'exclusive', fixtures: [sizedAgents(500)] });
    expect(again.fixtures[0]).toMatchObject({ inserted: 500, rebuiltIndexes: { length: 7 } });
    await database.query(`alter table agents owner to current_user`);
  });

  it.each([
    ['sql_drop', 'DROP INDEX'],
    ['ddl_command_start', 'DROP INDEX'],
    ['ddl_command_start', 'CREATE INDEX'],
    ['ddl_command_end', 'CREATE INDEX'],
  ])('keeps the indexes where an event trigger on %s forbids %s, and says so', async (event, tag) => {
    await database.query(
      `delete from agents;
       create or replace function forbid() returns event_trigger language plpgsql as
         $$begin raise exception 'no % here', tg_tag; end$$;
       create event trigger forbidding on ${event} when tag in ('${tag}') execute function forbid()`,
    );
    const before = await database.query(
      `select indexdef from pg_indexes where tablename = 'agents' order by 1`,
    );
    const notices: string[] = [];
    const report = await load({
      databaseUrl: database.url,
      mode: 'exclusive',
      fixtures: [sizedAgents(500)],
      verify: true,
      onEvent: (happened) => {
        if (happened.type === 'notice') notices.push(happened.message);
      },
    });
    await database.query('drop event trigger forbidding');
    expect(report.fixtures[0]).toMatchObject({ inserted: 500, rebuiltIndexes: [] });
    expect(report.verified?.intact).toBe(true);
    expect(notices).toContain(
      `agents is loaded with its indexes: no ${tag} here; PL/pgSQL function forbid() line 1 at RAISE`,
    );
    expect(
      await database.query(`select indexdef from pg_indexes where tablename = 'agents' order by 1`),
    ).toEqual(before);
  });
});
