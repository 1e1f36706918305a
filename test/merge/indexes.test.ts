import { describe, expect, it } from 'vitest';
import { sizedAgents, sizedCertificates } from '../../src/fixtures/sized.js';
import { load } from '../../src/operations/load.js';
import { reset } from '../../src/operations/reset.js';
import { verify } from '../../src/operations/verify.js';
import type { RunEvent } from '../../src/report/events.js';
import { useDatabase } from '../support/database.js';

const database = useDatabase();
const INDEXES = `select indexdef from pg_indexes where tablename = 'agents' order by 1`;
const OF_ONE_NAME = `exists (select from pg_event_trigger_ddl_commands() where object_identity ~ 'idx_agents_status')`;

describe('exclusive mode', () => {
  it('leaves indexes where and as they are, and lets event triggers hear of those that it builds', async () => {
    const name = String(await database.value('select current_database()'));
    await database.query(
      `create table built (index text);
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
    expect(rebuilt).toHaveLength(5);
    const built = async () =>
      (await database.query('select index from built')).map(({ index }) => String(index));
    expect(await built()).toEqual(rebuilt);
    await reset({ databaseUrl: database.directUrl, mode: 'exclusive', fixtures: [sizedAgents(500)] });
    expect(await built()).toEqual([...rebuilt, ...rebuilt]);
    expect(await database.query('select relname from pg_class where reltablespace > 1664')).toEqual([]);
    await database.query(`drop event trigger hearing; drop table built`);
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
    expect(again.fixtures[0]).toMatchObject({ inserted: 500, rebuiltIndexes: { length: 5 } });
    await database.query(`alter table agents owner to current_user`);
  });

  it('makes indexes again though the table has checks that are yet to come', async () => {
    await database.query(
      `delete from agents; create function later() returns trigger language plpgsql as 'begin return null; end';
       create constraint trigger later after insert on agents deferrable initially deferred
         for each row execute function later()`,
    );
    const report = await load({ databaseUrl: database.url, mode: 'exclusive', fixtures: [sizedAgents(500)] });
    expect(report.fixtures[0]).toMatchObject({ present: 500, rebuiltIndexes: { length: 5 } });
    await database.query('drop function later cascade');
  });

  describe.each([
    ['load', load],
    ['reset', reset],
  ])('keeps the indexes, says so and goes on, in a %s', (_, operation) => {
    it.each([
      ['sql_drop', 'DROP INDEX', 'of any name', 'true'],
      ['ddl_command_start', 'DROP INDEX', 'of any name', 'true'],
      ['ddl_command_start', 'ALTER INDEX', 'of any name', 'true'],
      ['ddl_command_start', 'CREATE INDEX', 'of any name', 'true'],
      ['ddl_command_end', 'CREATE INDEX', 'of any name', 'true'],
      ['ddl_command_end', 'CREATE INDEX', 'of one name', OF_ONE_NAME],
    ])('where an event trigger on %s forbids %s %s', async (event, tag, _which, condition) => {
      const fixtures = [sizedAgents(500)];
      await database.query('delete from agents');
      if (operation === reset) await load({ databaseUrl: database.url, fixtures });
      await database.query(
        `create or replace function forbid() returns event_trigger language plpgsql as
           $$begin if ${condition} then raise exception 'no % here', tg_tag; end if; end$$;
         create event trigger forbidding on ${event} when tag in ('${tag}') execute function forbid()`,
      );
      const before = await database.query(INDEXES);
      const notices: string[] = [];
      const onEvent = (happened: RunEvent) => {
        if (happened.type === 'notice') notices.push(happened.message);
      };
      const report = await operation({ databaseUrl: database.url, mode: 'exclusive', fixtures, onEvent });
      await database.query('drop event trigger forbidding');
      expect(report.fixtures[0]).toMatchObject({ present: 500, rebuiltIndexes: [] });
      expect((await verify({ databaseUrl: database.url, fixtures })).intact).toBe(true);
      expect(notices).toContain(
        `agents is loaded with its indexes: no ${tag} here; PL/pgSQL function forbid() line 1 at RAISE`,
      );
      expect(await database.query(INDEXES)).toEqual(before);
    });

    it.each(['online', 'exclusive'] as const)(
      'but lets event triggers hear of all in %s mode',
      async (mode) => {
        const fixtures = [sizedCertificates(500)];
        await database.query('delete from managed_certificates');
        if (operation === reset) await load({ databaseUrl: database.url, fixtures });
        await database.query(
          `create table heard (what text);
         create function hear_all() returns event_trigger language plpgsql as
           $$begin insert into heard values (tg_tag); end$$;
         create function hear_drops() returns event_trigger language plpgsql as
           $$begin insert into heard select tg_tag from pg_event_trigger_dropped_objects() where original; end$$;
         create event trigger making on ddl_command_end when tag in ('CREATE TABLE', 'CREATE INDEX')
           execute function hear_all();
         create event trigger dropping on sql_drop execute function hear_drops()`,
        );
        await operation({ databaseUrl: database.url, mode, fixtures });
        const heard = await database.query(`select what, count(*)::int from heard group by 1 order by 1`);
        await database.query(
          `drop event trigger making; drop event trigger dropping; drop function hear_all, hear_drops; drop table heard`,
        );
        expect(heard).toEqual([
          ...(mode === 'online' ? [] : [{ what: 'CREATE INDEX', count: 7 }]),
          { what: 'CREATE TABLE', count: 1 },
          ...(mode === 'online' ? [] : [{ what: 'DROP INDEX', count: 7 }]),
        ]);
      },
    );
  });
});
