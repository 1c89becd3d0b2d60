import { expect, test } from "vitest";
import {
  blockContent,
  type ContentPorts,
  pinContent,
  unblockContent,
  unpinContent,
} from "../../src/artifact/contents.ts";
import { type QuotaPorts, setQuotas } from "../../src/artifact/quotas.ts";
import type { AuditEntry, AuditTrail } from "../../src/domain/audit.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { CisternError } from "../../src/domain/errors.ts";
import type { Principal } from "../../src/domain/principal.ts";

const ADMIN: Principal = { tokenId: "t", project: "admin", roles: ["admin"], address: "192.0.2.7" };
const SHA256 = sha256("ab".repeat(32));
const AWAY = new CisternError("catalog-unavailable", "away");
const away = () => Promise.reject(AWAY);

/** Keeps what it is told, or fails to, and then knows all the same what it was told. */
class Noted implements AuditTrail {
  readonly entries: AuditEntry[] = [];
  readonly failing: boolean;

  constructor(failing = false) {
    this.failing = failing;
  }

  async record(entry: AuditEntry): Promise<void> {
    this.entries.push(entry);
    if (this.failing) throw new CisternError("audit-unwritten", "away");
  }
}

/** The catalog goes away as soon as the change is made. */
function contentPorts(audit: AuditTrail): ContentPorts {
  let looks = 0;
  const content = { pin: undefined };
  const block = { sha256: SHA256, reason: "r", blockedBy: "t", blockedAt: new Date(0) };
  const find = () => {
    looks += 1;
    return looks === 1 ? Promise.resolve(content) : away();
  };
  const ports = {
    inventory: { find },
    blocks: { find: async () => undefined, put: async () => block, lift: async () => block },
    pins: { pin: async () => undefined, unpin: async () => undefined },
    audit,
    onBlockChanged: away,
  };
  return ports as unknown as ContentPorts;
}

test.each([
  ["content.pin", (ports: ContentPorts) => pinContent(ports, ADMIN, SHA256, { reason: "r", until: undefined })],
  ["content.unpin", (ports: ContentPorts) => unpinContent(ports, ADMIN, SHA256)],
  ["content.block", (ports: ContentPorts) => blockContent(ports, ADMIN, SHA256, "r")],
  ["content.unblock", (ports: ContentPorts) => unblockContent(ports, ADMIN, SHA256)],
] as const)("%s is noted when the catalog goes away right behind it", async (action, change) => {
  const audit = new Noted();
  await expect(change(contentPorts(audit))).rejects.toBe(AWAY);
  expect(audit.entries).toMatchObject([{ action, object: `contents/${SHA256}` }]);
});

test("each of several quotas is noted, though the first cannot be written", async () => {
  const audit = new Noted(true);
  const ports = {
    quotas: { change: async () => ({ before: [], after: [] }) },
    audit,
    quotaDefaults: () => ({ fetchedBytesPerDay: 1, concurrentFills: 1 }),
    onQuotasChanged: away,
  } as unknown as QuotaPorts;
  const changes = [
    { project: "one", fetchedBytesPerDay: 5 },
    { project: "two", fetchedBytesPerDay: 6 },
  ];
  await expect(setQuotas(ports, ADMIN, changes, () => undefined)).rejects.toMatchObject({ code: "audit-unwritten" });
  expect(audit.entries.map(({ object }) => object)).toEqual(["quotas/one", "quotas/two"]);
});
