import { Agent, type buildConnector, Client, type Dispatcher, Pool } from "undici";

/** A client's connection, as far as it is known; it has one at a time. */
interface Connection {
  address: string | undefined;
}

/** Which connection a request goes over. */
const connections = new WeakMap<Dispatcher.DispatchHandler, Connection>();

/** The address that this request went to; undefined: it went to none yet. */
export function connectedAddress(handler: Dispatcher.DispatchHandler): string | undefined {
  return connections.get(handler)?.address;
}

class TracedClient extends Client {
  readonly #connection: Connection;

  constructor(origin: string | URL, options: Client.Options, connect: buildConnector.connector) {
    const connection: Connection = { address: undefined };
    super(origin, {
      ...options,
      connect: (target, callback) => {
        connection.address = undefined;
        connect(target, (...answer) => {
          connection.address = answer[1]?.remoteAddress;
          callback(...answer);
        });
      },
    });
    this.#connection = connection;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    connections.set(handler, this.#connection);
    return super.dispatch(options, handler);
  }
}

/** An agent that knows over which address each of its requests goes: undici itself does not tell. */
export function tracedAgent(connect: buildConnector.connector, options: Omit<Agent.Options, "connect">): Agent {
  const factory = (origin: string | URL, own: object) =>
    new Pool(origin, { ...own, factory: (to: URL, given: object) => new TracedClient(to, given, connect) });
  return new Agent({ ...options, connect, factory });
}
