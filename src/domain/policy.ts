/** What is done with an external blob. */
export type Mode = "cache" | "proxy" | "redirect";

/** The policy as the configuration sets it: one rule for all. */
export interface Policy {
  readonly mode: Mode;
  /** Hosts (`host`, `*.suffix` or `host:port`) to which `redirect` may send a client. */
  readonly redirectHosts: readonly string[];
}
