import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { codeOf } from "./env.ts";

type Judged = { readonly value: string } | { readonly rule: string };

/** The absolute path of a readable file whose first PEM block is a certificate; the broken rule otherwise. */
export function certificateFile(path: string): Judged {
  return pemFile(path, (pem) => new X509Certificate(pem), "names a file that holds no certificate in PEM form");
}

/** The absolute path of a readable file with a private key; the broken rule otherwise. */
export function keyFile(path: string): Judged {
  return pemFile(
    path,
    (pem) => createPrivateKey(pem),
    "names a file that holds no private key in PEM form, unencrypted",
  );
}

/** True when the key is the certificate's. Both files have been judged before. */
export function keyFits(certificate: string, key: string): boolean {
  return new X509Certificate(readFileSync(certificate)).checkPrivateKey(createPrivateKey(readFileSync(key)));
}

function pemFile(path: string, parse: (pem: Buffer) => X509Certificate | KeyObject, rule: string): Judged {
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch (error) {
    return { rule: `must be the path of a PEM file; it cannot be read (${codeOf(error)})` };
  }
  try {
    parse(pem);
    return { value: resolve(path) };
  } catch {
    // What the parser says may quote the file.
    return { rule };
  }
}
