/** The client: one per key and workspace. */

import { Resources } from "./generated/resources.js";
import { Transport, type Request, type RequestOptions, type VoyloClientOptions } from "./transport.js";

/**
 * Everything below `/v1`, resource by resource.
 *
 *     const client = new VoyloClient({ apiKey, baseUrl: "https://voice.example.com" });
 *     const call = await client.calls.create({ from: "+12015550100", to: "+12015550123", applicationId });
 */
export class VoyloClient extends Resources {
  readonly #transport: Transport;

  /** Throws VoyloConfigurationError where neither arguments nor environment name key and base URL. */
  constructor(options: VoyloClientOptions = {}) {
    const transport = new Transport(options);
    super(transport);
    this.#transport = transport;
  }

  /** A request that no resource has, with the same headers, errors and repetition; `path` from `/v1` on. */
  request<T>(request: Request, options?: RequestOptions): Promise<T> {
    return this.#transport.request<T>(request, options);
  }
}
