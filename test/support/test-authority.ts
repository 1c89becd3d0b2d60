import { join } from "node:path";
import { startProgram } from "./child-program.ts";

export interface TestAuthority {
  /** PEM of the authority's own certificate. */
  readonly caFile: string;
  /** Makes a certificate for these names (`DNS:localhost`, `IP:127.0.0.1`). */
  issue(name: string, ...subjects: readonly string[]): Promise<{ readonly cert: string; readonly key: string }>;
}

/** A certificate authority of a test's own, made by openssl in `directory`. */
export async function makeAuthority(directory: string, name = "authority"): Promise<TestAuthority> {
  const at = (file: string) => join(directory, file);
  const caFile = at(`${name}.crt`);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await openssl("req", "-x509", ...key, "-keyout", at(`${name}.key`), "-out", caFile, "-subj", `/CN=${name}`);
  return {
    caFile,
    async issue(server, ...subjects) {
      const files = { cert: at(`${server}.crt`), key: at(`${server}.key`) };
      const authority = ["-CA", caFile, "-CAkey", at(`${name}.key`)];
      const names = ["-addext", `subjectAltName=${subjects.join(",")}`];
      await openssl(
        "req",
        "-x509",
        ...key,
        ...authority,
        "-keyout",
        files.key,
        "-out",
        files.cert,
        ...names,
        "-subj",
        `/CN=${server}`,
      );
      return files;
    },
  };
}

async function openssl(...args: readonly string[]): Promise<void> {
  const program = await startProgram("openssl", args);
  const { code } = await program.exited;
  if (code !== 0) throw new Error(`openssl failed:\n${program.output()}`);
}
