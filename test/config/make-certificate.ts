import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { findProgram } from "../support/programs.ts";

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A self-signed certificate for localhost and its key, made by openssl as PEM files in the folder. */
export function makeCertificate(folder: string, name: string): Certificate {
  const made = { certFile: join(folder, `${name}.crt`), keyFile: join(folder, `${name}.key`) };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", made.keyFile];
  openssl(["req", "-x509", ...key, "-subj", "/CN=localhost", "-days", "2", "-out", made.certFile]);
  return made;
}

export function openssl(args: readonly string[]): void {
  const program = findProgram("openssl");
  if (program === undefined) throw new Error("openssl is not installed");
  execFileSync(program, args, { stdio: "pipe" });
}
