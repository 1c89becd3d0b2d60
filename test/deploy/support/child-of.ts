import { readFile } from "node:fs/promises";
import type { ChildProgram } from "../../support/child-program.ts";

/** The one process that a wrapper (unshare, strace) has started, by its number out here. */
export async function childOf(wrapper: ChildProgram): Promise<number> {
  const children = (await readFile(`/proc/${wrapper.pid}/task/${wrapper.pid}/children`, "utf8")).trim();
  if (!/^\d+$/.test(children)) throw new Error(`not one child: "${children}"`);
  return Number(children);
}
