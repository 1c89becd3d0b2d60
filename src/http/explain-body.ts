import { z } from "zod";
import type { Imagined, Question } from "../cache/explain.ts";
import { parseAddress } from "../domain/cidr.ts";
import { ALGORITHMS, type Digests, parseDigest, sha256 } from "../domain/digest.ts";
import { parseLocationUrl } from "../domain/location.ts";
import { type Principal, ROLES } from "../domain/principal.ts";
import { parseBlobPath } from "./blob-path.ts";
import { instant, parsed, text } from "./wire-fields.ts";

const name = text({ min: 1, max: 255 });
const url = parsed({ type: "string", format: "uri", maxLength: 4096 }, (value, field) =>
  parseLocationUrl(typeof value === "string" ? value : "", field),
);

/** What is asked: about a blob that is there, or a URL as if it were registered. */
export const explainBody = z
  .strictObject({
    artifact: z
      .strictObject({
        type: z.string().regex(/^[a-z0-9_]{1,64}$/, "must be the name of an artifact type"),
        id: z.uuid(),
        /** The field, `image` or `file` for instance. */
        blob: z.string().regex(/^[a-z0-9_]{1,64}$/, "must be the name of a blob"),
        /** Of a dict of blobs. */
        key: name.optional(),
      })
      .optional(),
    url: url.optional(),
    /** What would be recorded beside the URL. */
    record: z
      .strictObject({
        type: name.optional(),
        name: name.optional(),
        tags: z.array(name).max(255).optional(),
        project: name.optional(),
        visibility: z.enum(["private", "public"]).optional(),
        size: z.int().min(0).optional(),
        md5: z.string().optional(),
        sha1: z.string().optional(),
        sha256: z.string().optional(),
        sha512: z.string().optional(),
      })
      .superRefine((record, context) => {
        for (const algorithm of ALGORITHMS) {
          const hex = record[algorithm];
          const length = { md5: 32, sha1: 40, sha256: 64, sha512: 128 }[algorithm];
          if (hex === undefined || (hex.length === length && /^[0-9a-f]+$/i.test(hex))) continue;
          context.addIssue({ code: "custom", path: [algorithm], message: `must be ${length} hexadecimal digits` });
        }
      })
      .optional(),
    /** Who would ask; left out: the caller. */
    principal: z
      .strictObject({ token: name.optional(), project: name, roles: z.array(z.enum(ROLES)).max(ROLES.length) })
      .optional(),
    /** From which address; left out: the caller's. */
    client: z
      .string()
      .max(64, "must be an address")
      .refine((address) => parseAddress(address) !== undefined, "must be an IPv4 or IPv6 address")
      .optional(),
    /** For the windows of prefetches; left out: now. */
    time: instant().optional(),
    /** The request would carry an `X-Auth-Token`, which is never redirected. */
    x_auth_token: z.boolean().optional(),
  })
  .refine(({ artifact, url: given }) => (artifact === undefined) !== (given === undefined), {
    path: ["artifact"],
    error: "must be given, or a url, and not both",
  })
  .refine(({ record, url: given }) => record === undefined || given !== undefined, {
    path: ["record"],
    error: "must be left out beside an artifact",
  })
  .meta({ id: "PolicyQuestion" });

type Body = z.output<typeof explainBody>;

export function questionOf(body: Body, caller: Principal, now: Date): Question {
  const { principal: given, client: address = caller.address, time = now, x_auth_token: sendsTokenOn = false } = body;
  const { token: tokenId = "explained", project = "", roles = [] } = given ?? {};
  const principal = given === undefined ? { ...caller, address } : { tokenId, project, roles, address };
  return { about: aboutOf(body, caller), asking: { principal, address, sendsTokenOn }, at: time };
}

function aboutOf({ artifact, url: given = "", record = {} }: Body, caller: Principal): Question["about"] {
  if (artifact !== undefined) {
    const { type, id, blob, key } = artifact;
    return { type, ref: parseBlobPath(type, id, blob, key) };
  }
  const { type = "files", name: called, tags = [], project = caller.project, visibility = "private", size } = record;
  const imagined: Imagined = {
    url: given,
    artifact: {
      type,
      name: called ?? new URL(given).pathname.split("/").at(-1) ?? "",
      tags,
      owner: project,
      visibility,
    },
    digests: digestsOf(record),
    size,
  };
  return imagined;
}

function digestsOf(record: NonNullable<Body["record"]>): Digests {
  const given = Object.fromEntries(
    ALGORITHMS.flatMap((algorithm) => {
      const hex = record[algorithm];
      return hex === undefined ? [] : [[algorithm, parseDigest(algorithm, hex, `record.${algorithm}`)]];
    }),
  );
  const { sha256: hex, ...others } = given;
  return hex === undefined ? others : { ...others, sha256: sha256(hex) };
}
