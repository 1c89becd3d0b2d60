import { sql } from "drizzle-orm";
import type { Queries } from "../../../src/catalog/session.ts";

/** Rows of each table. */
export const ROWS = 100_000;

/** The owner who has most, one who has a little, and a name that has ten thousand versions. */
export const LARGE_OWNER = "project-0";
export const SMALL_OWNER = "project-400";
export const COMMON_NAME = "image-common";

// From a row's number: skewed numbers, digests, and ids as there are.
const skewed = (of: number) => `floor(${of} * power(((i::bigint * 7919) % 100003) / 100003.0, 3))::int`;
const digest = "encode(sha256(i::text::bytea), 'hex')";
const id = (table: string) => `md5('${table}' || i)::uuid::text`;
const time = "timestamptz '2026-01-01' + (i / 3) * interval '7 seconds'";

const STATEMENTS = [
  `insert into contents (sha256, fence, size, state, admitted_at, last_read_at, condemned_at, hits, value, project, origin, pin_reason, pinned_by, pinned_until, irreplaceable_since, scrubbed_at)
   select ${digest}, i, 1000000 + (i::bigint * 7919) % 5000000000,
     case when i % 500 = 7 then 'condemned' when i % 1000 = 8 then 'quarantined' else 'admitted' end,
     ${time}, timestamptz '2026-02-01' + ((i::bigint * 7919) % 100003) * interval '9 seconds',
     case when i % 500 = 7 then timestamptz '2026-03-01' end, i % 50, 1 + i % 3,
     'project-' || ${skewed(500)}, 'host-' || ${skewed(200)} || '.example',
     case when i % 300 = 9 then 'kept' end, case when i % 300 = 9 then 'admin' end,
     case when i % 600 = 9 then timestamptz '2099-01-01' end,
     case when i % 1000 = 11 then timestamptz '2026-03-01' end,
     case when i % 2 = 0 then timestamptz '2026-03-01' + i * interval '1 second' end
   from generate_series(1, ${ROWS}) i`,
  `insert into artifacts (id, type, name, version, version_key, owner, visibility, status, tags, metadata, created_at, activated_at)
   select ${id("artifact")}, (array['images', 'images', 'images', 'files', 'heat_templates'])[1 + i % 5],
     case when i % 10 = 0 then '${COMMON_NAME}' else 'image-' || i % 20000 end, '1.0.' || i, lpad(i::text, 8, '0'),
     'project-' || ${skewed(500)}, case when i % 4 = 1 then 'public' else 'private' end,
     case when i % 4 = 1 then 'active' when i % 1000 = 2 then 'deactivated' when i % 3 = 0 then 'drafted' else 'active' end,
     case when i % 1000 = 5 then array['rare', 'linux'] when i % 3 = 0 then array['linux'] else '{}' end,
     '{"build": "nightly", "channel": "stable"}', ${time}, timestamptz '2026-02-01'
   from generate_series(1, ${ROWS}) i`,
  `insert into blobs (id, artifact_id, field, kind, url, set_by, sha256, size, digest_source, content_type, content_sha256)
   select ${id("blob")}, ${id("artifact")}, 'image', case when i % 10 = 0 then 'internal' else 'external' end,
     case when i % 10 <> 0 then 'https://host-' || ${skewed(200)} || '.example/images/' || i || '.qcow2' end,
     case when i % 10 <> 0 then 'member' end, ${digest}, 1000000 + (i::bigint * 7919) % 5000000000, 'given',
     'application/octet-stream', case when i % 10 = 0 or (i % 3 > 0 and i % 500 <> 7) then ${digest} end
   from generate_series(1, ${ROWS}) i`,
  `insert into blocks (sha256, reason, blocked_by)
   select encode(sha256(i::text::bytea), 'hex'), 'withdrawn', 'admin' from generate_series(1, ${ROWS}, 1000) i`,
  `insert into tokens (id, name, project, roles, cidrs, secret_hash, created_at)
   select ${id("token")}, 'token-' || i, 'project-' || ${skewed(500)}, '{reader}', '{}', ${digest}, ${time}
   from generate_series(1, ${ROWS}) i`,
  `insert into audit (entry, at, kind, actor, project, roles, address, action, object)
   select md5('entry' || i)::uuid, ${time}, case when i % 100 = 0 then 'change' else 'egress' end,
     'actor-' || ${skewed(1000)}, 'project-' || ${skewed(500)}, '{member}', '10.0.0.' || i % 200,
     case when i % 100 = 0 then 'artifact.create' else 'egress.fetch' end, 'artifacts/images/' || i % 5000
   from generate_series(1, ${ROWS}) i`,
  `insert into fills (id, kind, state, priority, artifact_id, field, key, type, name, source, origin, project, asked_by, via, created_at, ended_at, error_code)
   select ${id("fill")}, 'prefetch', case when i % 50 = 0 then 'queued' when i % 20 = 0 then 'failed' else 'done' end,
     5, ${id("artifact")}, 'image', '', 'images', 'image-' || i, 'https://host.example/' || i,
     'host-' || ${skewed(200)} || '.example', 'project-' || ${skewed(500)}, 'admin', 'api',
     ${time}, case when i % 50 <> 0 then ${time} end, case when i % 20 = 0 and i % 50 <> 0 then 'origin-unreachable' end
   from generate_series(1, ${ROWS}) i`,
  `insert into tasks (id, kind, query, state, created_by, created_at, finished_at)
   select ${id("task")}, (array['purge', 'scrub', 'verify'])[1 + i % 3], '{}',
     case when i % 1000 = 0 then 'queued' when i % 77 = 0 then 'failed' else 'done' end, 'admin', ${time},
     case when i % 1000 <> 0 then ${time} end
   from generate_series(1, ${ROWS}) i`,
];

/** Fills an empty catalog in bulk; nobody is told of it. */
export async function seed(tx: Queries): Promise<void> {
  await tx.execute(sql`select set_config('cistern.embedded', 'on', true), set_config('statement_timeout', '0', true)`);
  for (const statement of STATEMENTS) await tx.execute(sql.raw(statement));
}
