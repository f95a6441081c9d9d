/** Every bound in one place: bodies, queues, parallelism, retries, waits. Units are last in the name. */
export const LIMITS = {
  jsonBodyBytes: 16 * 1024 * 1024,
  headerBytes: 64 * 1024,
  /** Of TLS and of the headers of a request: longer means a client that holds sockets for fun. */
  handshakeMs: 10_000,
  headersMs: 20_000,
  jsonBodyMs: 60_000,
  keepAliveMs: 60_000,
  networkConnections: 4096,
  /** A crowd that connects at once waits in the kernel, which caps it at somaxconn. */
  listenBacklog: 4096,
  /** Of a request that is refused. */
  refusedBodyBytes: 64 * 1024,
  refusedBodyMs: 1_000,
  eventQueueFrames: 4096,
  operationKeepMs: 5_000,
  websocketConnectMs: 5_000,
  websocketPingMs: 10_000,
  commandOutputBytes: 4 * 1024 * 1024,
  commandTimeoutMs: 120_000,
  helperStartMs: 60_000,
  /** Kept open for the maps of ids that were used last: two for each map. */
  userNamespaces: 64,
  downloadTries: 3,
  /** Of what a server offers, which is kept from the last time. */
  streamsTries: 2,
  downloadStallMs: 60_000,
  streamsBytes: 256 * 1024 * 1024,
  streamsCacheMs: 3_600_000,
  imageEntries: 2_000_000,
  imageMetadataBytes: 1024 * 1024,
  /** Of one container. */
  devlxdConnections: 64,
  devlxdHeaderBytes: 16 * 1024,
  devlxdRequestMs: 10_000,
  devlxdQueueBytes: 1024 * 1024,
  filesIdleMs: 3_000,
  errorHintDistance: 3,
} as const;
